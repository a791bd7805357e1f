package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tallystick/tallystick/core/weburl"
)

const (
	fetchTimeout = 10 * time.Second
	maxDocument  = 256 << 10 // bytes of a document; the core's limit of a fetch
	maxRedirects = 3
	patience     = 2 * time.Second
)

// fetched is an answer that was read whole, and when.
type fetched struct {
	url          string
	status       int
	header       http.Header
	content      []byte
	sent, gotten time.Time
}

// get fetches a document of at most 256 KiB. It follows up to 3 redirects, never from https to http.
func (a *app) get(ctx context.Context, address string) (*fetched, error) {
	ctx, stop := context.WithTimeout(ctx, fetchTimeout)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, wrongUsage("%s is no URL: write it whole, such as https://agent.example.com/", address)
	}
	request.Header.Set("Accept", "application/json, */*;q=0.1")
	client := http.Client{Transport: a.Transport, CheckRedirect: checkRedirect}
	defer a.wait(address)()
	f := &fetched{url: address, sent: a.Now()}
	response, err := client.Do(request)
	if err != nil {
		return nil, unreachable(address, err)
	}
	f.gotten = a.Now()
	defer response.Body.Close()
	f.status, f.header = response.StatusCode, response.Header
	f.content, err = io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, unreachable(address, err)
	case len(f.content) > maxDocument:
		return nil, failed(exitNetwork, "%s answered with over %d bytes: give the URL of a key set or discovery "+
			"document", address, maxDocument)
	}
	return f, nil
}

func checkRedirect(next *http.Request, before []*http.Request) error {
	if len(before) > maxRedirects {
		return fmt.Errorf("over %d redirects", maxRedirects)
	}
	if before[0].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return errors.New("a redirect leads from https to http")
	}
	return nil
}

// document fetches a URL that must answer with 200.
func (a *app) document(ctx context.Context, address string) (*fetched, error) {
	f, err := a.get(ctx, address)
	switch {
	case err != nil:
		return nil, err
	case f.status >= http.StatusInternalServerError:
		return nil, failed(exitNetwork, "%s answered with status %d: the server, or a proxy before it, is not ready; "+
			"try again, and see its log", address, f.status)
	case f.status != http.StatusOK:
		return nil, failed(exitNetwork, "%s answered with status %d: look at the URL", address, f.status)
	}
	return f, nil
}

// wait says after a while what is waited for, to a person; the function that it returns ends that.
func (a *app) wait(address string) (done func()) {
	if !isTerminal(a.Stderr) {
		return func() {}
	}
	timer := time.AfterFunc(patience, func() { a.say("waiting for %s …", hostOf(address)) })
	return func() { timer.Stop() }
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return u.Host
}

// unreachable words what the network said, with the fix by its kind.
func unreachable(address string, err error) error {
	var inside *url.Error
	if errors.As(err, &inside) {
		err = inside.Err
	}
	var name *net.DNSError
	host := hostOf(address)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err):
		return failed(exitNetwork, "%s did not answer in time: see whether it runs, and whether a "+
			"firewall is in between", host)
	case errors.As(err, &name):
		return failed(exitNetwork, "the name of %s cannot be resolved: look at the URL", host)
	case strings.Contains(err.Error(), "connection refused"):
		return failed(exitNetwork, "%s refuses connections: see whether it runs, and on which port", host)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return failed(exitNetwork, "%s speaks http, not https: look at the URL", host)
	}
	return failed(exitNetwork, "%s cannot be reached: %s", host, err)
}

// isURL tells a URL from the name of a file.
func isURL(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
}

// checkURL refuses what no request can go to.
func checkURL(what, address string) (weburl.URL, error) {
	u, err := weburl.Parse(address)
	if err != nil {
		return u, wrongUsage("%s: %s", what, err)
	}
	return u, nil
}

// isLoopback: what is sent there does not leave this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// looksLikeJSON tells a document from an error page.
func looksLikeJSON(content []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(content), []byte("{"))
}
