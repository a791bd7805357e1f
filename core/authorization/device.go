package authorization

import (
	"crypto/rand"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// PathDevice is where a device asks for a code, and where its user enters it (RFC 8628).
const PathDevice = "/auth/device"

// GrantDevice is how a device asks for its tokens (RFC 8628 section 3.4).
const GrantDevice = "urn:ietf:params:oauth:grant-type:device_code"

const (
	deviceSeconds = 600
	pollSeconds   = 5
	// Of 20^8 user codes a guesser may try 50 a minute, and 5 in one browser.
	userLetters    = "BCDFGHJKLMNPQRSTVWXZ"
	userLength     = 8
	missesAMinute  = 50
	missesASession = 5
)

// device is what a device asks for. It lies under the device code and under the user code, so that
// neither leads to the other.
type device struct {
	Client, Target string
	Scopes         []string
	Code           string // the user code, as it is shown
	Answer         string // where the user's decision will lie
	Begun          int64
}

func (d *device) members() []member {
	return []member{
		{name: "client", text: &d.Client}, {name: "target", text: &d.Target}, {name: "scopes", list: &d.Scopes},
		{name: "code", text: &d.Code}, {name: "answer", text: &d.Answer}, {name: "begun", number: &d.Begun},
	}
}

// StartDevice gives a device its codes (RFC 8628 section 3.2). It ends in an *Outcome.
func (s *Server) StartDevice(now float64, who *oauthclient.Client, form map[string]string) need.Step {
	if !who.Public && len(who.RedirectURIs) == 0 { //guard:device-people never
		return no(refused("unauthorized_client", "users do not sign in for this client", "client "+problem.Quote(who.ID)))
	}
	target, e := s.host.Target(who, form)
	if e != nil {
		return no(e)
	}
	scopes, e := s.host.Scopes(who, form["scope"])
	if e != nil {
		return no(e)
	}
	d := &device{Client: who.ID, Target: target, Scopes: scopes, Code: userCode(), Answer: secret(), Begun: int64(now)}
	code := secret()
	return s.put(kindDevice, code, d, deviceSeconds, func(now float64) need.Step {
		return s.put(kindUser, plainCode(d.Code), d, deviceSeconds, func(float64) need.Step {
			place := s.own(PathDevice)
			b := strictjson.AppendString([]byte(`{"device_code":`), code)
			b = strictjson.AppendString(append(b, `,"user_code":`...), d.Code)
			b = strictjson.AppendString(append(b, `,"verification_uri":`...), place)
			b = strictjson.AppendString(append(b, `,"verification_uri_complete":`...), place+"?"+query("user_code", d.Code))
			b = append(b, `,"expires_in":`+strconv.Itoa(deviceSeconds)+`,"interval":`+strconv.Itoa(pollSeconds)+`}`...)
			return need.Done(&Outcome{Answer: &Answer{
				Response: &problem.Response{Status: 200, Body: string(b), Headers: map[string]string{
					"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache",
				}},
				Log: "device of client " + problem.Quote(who.ID) + " asks for a user",
			}})
		})
	})
}

// userCode has 20^8 values, without vowels, so that it is no word.
func userCode() string {
	var b strings.Builder
	for i := range userLength {
		if i == userLength/2 {
			b.WriteByte('-')
		}
		b.WriteByte(userLetters[drawn(len(userLetters))])
	}
	return b.String()
}

// drawn is one of so many numbers, at most 256, each as likely as the others.
func drawn(below int) int {
	for {
		var random [1]byte
		rand.Read(random[:]) // never fails: crypto/rand ends the program instead
		if n := int(random[0]); n < 256-256%below {
			return n % below
		}
	}
}

// plainCode is a user code as people may type it: in any case, with any signs between.
func plainCode(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		if strings.ContainsRune(userLetters, r) {
			return r
		}
		return -1
	}, text)
}

// Device answers a person at PathDevice: a page to enter a code, and what comes of it.
func (s *Server) Device(r *Request) need.Step {
	switch r.Method {
	case "GET", "HEAD":
		form, refused := oauthclient.ParseForm(formType, []byte(r.Query))
		if refused != nil {
			form = nil
		}
		return done(&Answer{Response: s.codePage(plainCode(form["user_code"]), "")})
	case "POST":
		return s.entered(r)
	}
	return done(&Answer{Response: methodNotAllowed("GET, HEAD, POST")})
}

// codePage asks for a code. One that came with the address is filled in, and sends nothing by itself.
func (s *Server) codePage(code, says string) *problem.Response {
	var b strings.Builder
	if says != "" {
		b.WriteString(`<p role="alert">` + escape(says) + `</p>`)
	}
	if len(code) == userLength {
		code = code[:userLength/2] + "-" + code[userLength/2:]
	} else {
		code = ""
	}
	b.WriteString(`<form method="post" action="` + escape(s.own(PathDevice)) + `">` +
		`<label for="code">The code that your device shows</label>` +
		`<input id="code" name="user_code" value="` + escape(code) + `" required autocomplete="off" autocapitalize="characters" ` +
		`spellcheck="false" maxlength="20"><button class="act">Go on</button></form>` +
		`<p>Enter it only if you have just begun this yourself, on a device that is yours.</p>`)
	return page(200, "Connect a device", b.String(), "'self'")
}

// entered looks for a code. Wrong ones fill places: a browser has five of its own, and of those for
// everybody one is drawn; who draws a full one is not heard, so that no more than so many wrong ones
// are.
func (s *Server) entered(r *Request) need.Step {
	form, refused := oauthclient.ParseForm(r.ContentType, r.Body)
	if refused != nil || !s.isOwnOrigin(r.Origin) { //guard:device-origin drop 2
		return s.lost("the form did not come from this page", "device: a form of another origin, or none")
	}
	session, isNew := s.session(r), false
	if session == "" {
		session, isNew = secret(), true
	}
	all := "minute " + strconv.FormatInt(int64(r.Now)/60, 10) + " " + strconv.Itoa(drawn(missesAMinute))
	code := plainCode(form["user_code"])
	tooMany := func() need.Step {
		answer := &Answer{Response: s.codePage("", "Too many wrong codes were entered. Wait a minute, and try again."), Warn: true,
			Log: "device: too many wrong codes"}
		answer.Response.Status = 429
		return done(answer)
	}
	step := s.freePlace("session "+hashed(session), missesASession, func(mine string) need.Step {
		if mine == "" { //guard:device-session-misses never
			return tooMany()
		}
		return s.get(need.Get, kindMiss, all, mark{}, func(_ float64, full bool) need.Step {
			if full { //guard:device-misses never
				return tooMany()
			}
			d := &device{}
			return s.get(need.Get, kindUser, code, d, func(now float64, there bool) need.Step {
				if !there {
					return s.missed(mine, all)
				}
				return s.connect(now, d, session)
			})
		})
	})
	return ended(step, func(a *Answer) {
		if isNew {
			a.Response.Headers["set-cookie"] = s.setCookie(session)
		}
	})
}

// freePlace goes on with the first place that no wrong code fills, "" where all are filled.
func (s *Server) freePlace(of string, left int, then func(place string) need.Step) need.Step {
	if left == 0 {
		return then("")
	}
	place := of + " " + strconv.Itoa(left)
	return s.get(need.Get, kindMiss, place, mark{}, func(_ float64, full bool) need.Step {
		if full {
			return s.freePlace(of, left-1, then)
		}
		return then(place)
	})
}

func (s *Server) missed(mine, all string) need.Step {
	return s.put(kindMiss, mine, mark{}, deviceSeconds, func(float64) need.Step {
		return s.put(kindMiss, all, mark{}, 60, func(float64) need.Step {
			answer := &Answer{Response: s.codePage("", "There is no such code. Look again at what your device shows."), Warn: true,
				Log: "device: a wrong code"}
			answer.Response.Status = 400
			return done(answer)
		})
	})
}

// connect begins a flow for the device's user. It ends in a page, since browsers hold what a form
// leads to against the form's page: no provider is named in its policy.
func (s *Server) connect(now float64, d *device, session string) need.Step {
	f := &flow{
		Client: d.Client, Target: d.Target, Scopes: d.Scopes, Device: d.Answer, Code: d.Code,
		Session: hashed(session), CSRF: secret(), Begun: d.Begun,
	}
	id := secret()
	return s.put(kindFlow, id, f, f.left(now), func(float64) need.Step {
		return done(&Answer{Response: s.signInPage(id)})
	})
}

// answerDevice keeps what the user decided for the device to fetch: a grant, or one of nobody.
func (s *Server) answerDevice(now float64, f *flow, g *Grant) need.Step {
	return s.put(kindAnswer, f.Device, g, f.left(now)+60, func(float64) need.Step {
		says, log := "Your device is connected. You can close this page.", "allowed"
		if g.User.Subject == "" {
			says, log = "Your device was not connected. You can close this page.", "did not allow"
		}
		return done(&Answer{Response: errorPage(200, "Done", says),
			Log: "user " + problem.Quote(f.User.ID()) + " " + log + " a device of client " + problem.Quote(f.Client) + " " +
				problem.Quote(strings.Join(f.Scopes, " ")) + " at " + problem.Quote(f.Target)})
	})
}

// exchangeDevice answers a device that asks whether its user has decided (RFC 8628 section 3.5).
func (s *Server) exchangeDevice(now float64, who *oauthclient.Client, form map[string]string) need.Step {
	given := form["device_code"]
	says := func(code, description string) need.Step {
		return no(refused(code, description, "client "+problem.Quote(who.ID)))
	}
	if given == "" {
		return says(oauthclient.InvalidRequest, "device_code is missing")
	}
	d := &device{}
	return s.get(need.Get, kindDevice, given, d, func(now float64, there bool) need.Step {
		switch {
		case !there:
			return says("expired_token", "the device code has expired, or is wrong: begin again")
		case d.Client != who.ID: //guard:device-client never
			return says("invalid_grant", "the device code is another client's")
		}
		return s.claim(now, kindPoll, given, pollSeconds-1, func(now float64, first bool) need.Step {
			if !first { //guard:device-poll never
				return says("slow_down", "ask every 5 seconds, and 5 seconds less often from now on")
			}
			g := &Grant{}
			return s.get(need.Get, kindAnswer, d.Answer, g, func(now float64, there bool) need.Step {
				switch {
				case !there:
					return says("authorization_pending", "the user has not decided yet")
				case g.User.Subject == "": //guard:device-denied never
					return says("access_denied", "the user did not allow it")
				}
				return s.claim(now, kindUsed, "device "+given, deviceSeconds+120, func(now float64, first bool) need.Step {
					if !first { //guard:device-once never
						return says("invalid_grant", "the device code was used")
					}
					return s.renew(now, g, g, hasOpenID(g))
				})
			})
		})
	})
}
