package tallystick

import (
	"context"
	"net/http"
	"net/url"
	"os"

	"github.com/tallystick/tallystick/core/proxy"
)

// proxyOf is what the environment says of a request: the core reads it, the same in every language.
func proxyOf(r *http.Request) (*url.URL, error) {
	chosen, err := proxy.Choose(r.URL.String(), proxyEnvironment())
	if err != nil || chosen.URL == "" {
		return nil, err
	}
	return url.Parse(chosen.URL)
}

// proxyHeader has the credentials of the proxy, which see no request: they go with CONNECT.
func proxyHeader(_ context.Context, _ *url.URL, target string) (http.Header, error) {
	chosen, err := proxy.Choose("https://"+target, proxyEnvironment())
	if err != nil || chosen.Authorization == "" {
		return nil, err
	}
	return http.Header{"Proxy-Authorization": {chosen.Authorization}}, nil
}

func proxyEnvironment() proxy.Environment {
	return proxy.Environment{
		HTTPSProxy: eitherVariable("https_proxy", "HTTPS_PROXY"), NoProxy: eitherVariable("no_proxy", "NO_PROXY"),
	}
}

// eitherVariable: the spelling in lower case goes first, as for curl.
func eitherVariable(lower, upper string) string {
	if value := os.Getenv(lower); value != "" {
		return value
	}
	return os.Getenv(upper)
}
