-- Each request has a token of its own. The threads of wrk share the file line by line.
local threads = 0
local body = '{"message":"' .. string.rep("x", 1010) .. '"}'

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
  thread:set("of", 2)
end

function init(args)
  tokens, at = {}, 0
  local line = 0
  for token in io.lines(args[1]) do
    if line % of == number then tokens[#tokens + 1] = token end
    line = line + 1
  end
  wrk.method, wrk.body = "POST", body
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  at = at + 1
  local token = tokens[at]
  if token == nil then token = "used.up.all" end
  wrk.headers["Authorization"] = "Bearer " .. token
  return wrk.format()
end

function done(summary, latency, requests)
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"refused":%d,"p50":%f,"p95":%f}\n',
    summary.requests, summary.duration / 1e6,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000))
end
