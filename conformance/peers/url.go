package peers

import (
	"net/url"
	"strings"
)

// sameURL reports whether a text is another spelling of one of the URLs (RFC 3986
// section 6.2.3): case of scheme and host, the default port, a slash at the end.
func sameURL(text string, urls []string) bool {
	for _, other := range urls {
		if text != other && plainURL(text) != "" && plainURL(text) == plainURL(other) {
			return true
		}
	}
	return false
}

func plainURL(text string) string {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" {
		return ""
	}
	scheme, host := strings.ToLower(parsed.Scheme), strings.ToLower(parsed.Host)
	for _, port := range []string{"https :443", "http :80"} {
		if of, suffix, _ := strings.Cut(port, " "); of == scheme {
			host = strings.TrimSuffix(host, suffix)
		}
	}
	return scheme + "://" + host + strings.TrimSuffix(parsed.EscapedPath(), "/")
}
