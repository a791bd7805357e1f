package tallystick

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tallystick/tallystick/core/address"
	"github.com/tallystick/tallystick/core/need"
)

const (
	// maxFetches bounds the requests that are under way to one kind of address.
	maxFetches = 20
	// maxAddresses bounds the addresses of one name; a name with more is refused.
	maxAddresses = 16
	// keptConnections and keptFor bound the connections that are used again.
	keptConnections = 5
	keptFor         = 30 * time.Second
	// maxLingering and lingerFor bound the answers that latecomers find.
	maxLingering = 64
	lingerFor    = time.Second
	// maxAnswerHeaders bounds the headers of an answer, in bytes.
	maxAnswerHeaders = 64 << 10
)

// fetcher answers the need fetch: one bounded HTTP request (protocol section 6). It uses the
// environment's proxy where the need allows one, no cookie, and no credential but those of the need
// and of that proxy. Safe for concurrent use.
type fetcher struct {
	public, internal, proxied, any *lane

	lock      sync.Mutex
	flights   map[flightKey]*fetchFlight
	lingering atomic.Int64
}

// lane has the connections to one kind of address. The kinds share none.
type lane struct {
	transport *http.Transport
	room      chan struct{}
}

// flightKey: those who ask for the same at one time wait for one answer.
type flightKey struct {
	number            uint64
	method, url, body string
}

type fetchFlight struct {
	landed chan struct{}
	answer need.Answer
}

func newFetcher(roots *x509.CertPool) *fetcher {
	anywhere := &net.Dialer{}
	f := &fetcher{
		public:   newLane(roots, dialer(mustBePublic)),
		internal: newLane(roots, dialer(mustBeInternal)),
		proxied:  newLane(roots, anywhere.DialContext),
		any:      newLane(roots, anywhere.DialContext),
		flights:  map[flightKey]*fetchFlight{},
	}
	f.proxied.transport.Proxy = proxyOf
	f.proxied.transport.GetProxyConnectHeader = proxyHeader
	return f
}

func (f *fetcher) lanes() []*lane { return []*lane{f.public, f.internal, f.proxied, f.any} }

func (f *fetcher) laneOf(n *need.HTTP) *lane {
	switch {
	case n.Public:
		return f.public
	case n.Internal:
		return f.internal
	case n.Proxy:
		return f.proxied
	}
	return f.any
}

func newLane(roots *x509.CertPool, dial dial) *lane {
	return &lane{room: make(chan struct{}, maxFetches), transport: &http.Transport{
		Proxy:           nil,
		DialContext:     dial,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		// An answer that is not compressed cannot grow after it was counted.
		DisableCompression:     true,
		MaxIdleConns:           keptConnections,
		IdleConnTimeout:        keptFor,
		MaxResponseHeaderBytes: maxAnswerHeaders,
	}}
}

type dial = func(ctx context.Context, network, target string) (net.Conn, error)

// dialer looks a name up once, checks every address, and connects to one that was checked. Otherwise
// a name could have a public address for the check and a private one for the connection (DNS
// rebinding).
func dialer(check func(netip.Addr) error) dial {
	return func(ctx context.Context, network, target string) (net.Conn, error) {
		return dialChecked(ctx, network, target, check)
	}
}

func dialChecked(ctx context.Context, network, target string, check func(netip.Addr) error) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(found) > maxAddresses {
		return nil, fmt.Errorf("the name has over %d addresses", maxAddresses)
	}
	for _, one := range found {
		if err := check(one); err != nil {
			return nil, err
		}
	}
	// The very address that is connected to is seen once more.
	dialer := &net.Dialer{Control: func(_, target string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(target)
		if err != nil {
			return err
		}
		return check(at.Addr())
	}}
	failure := errors.New("the name has no address")
	for _, one := range found {
		connection, err := dialer.DialContext(ctx, network, net.JoinHostPort(one.String(), port))
		if err == nil {
			return connection, nil
		}
		failure = err
	}
	return nil, failure
}

func mustBePublic(one netip.Addr) error {
	// One that embeds an IPv4 address is judged by it, in the core.
	if public, err := address.Public(one.String()); err != nil || !public {
		return fmt.Errorf("the name has the address %s, which is not public", one)
	}
	return nil
}

func mustBeInternal(one netip.Addr) error {
	if internal, err := address.Internal(one.String()); err != nil || !internal {
		return fmt.Errorf("the name has the address %s, which is not of a network inside (internal_http)", one)
	}
	return nil
}

// begin returns the flight that answers a need, which others may be on already. Whoever waits for
// it may give up without ending it for the others.
func (f *fetcher) begin(n *need.HTTP) *fetchFlight {
	key := flightKey{n.Flight, n.Method, n.URL, n.Body}
	f.lock.Lock()
	defer f.lock.Unlock()
	if flight, under := f.flights[key]; under {
		return flight
	}
	flight := &fetchFlight{landed: make(chan struct{})}
	f.flights[key] = flight
	go func() {
		answer, err := f.fetch(n)
		if err != nil {
			answer = need.Answer{HasFailed: true, Failed: reasonOfFetch(n, err)}
		}
		flight.answer = answer
		close(flight.landed)
		f.landed(key)
	}()
	return flight
}

// landed keeps an answer for those who were told of the flight and come only now.
func (f *fetcher) landed(key flightKey) {
	drop := func() {
		f.lock.Lock()
		defer f.lock.Unlock()
		delete(f.flights, key)
	}
	if f.lingering.Add(1) > maxLingering {
		f.lingering.Add(-1)
		drop()
		return
	}
	time.AfterFunc(lingerFor, func() {
		f.lingering.Add(-1)
		drop()
	})
}

func reasonOfFetch(n *need.HTTP, err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no whole answer within %v seconds", n.Timeout)
	}
	return err.Error()
}

func (f *fetcher) fetch(n *need.HTTP) (need.Answer, error) {
	// Not that of a request: others may wait for the same answer.
	ctx, stop := context.WithTimeout(context.Background(), time.Duration(n.Timeout*float64(time.Second)))
	defer stop()
	lane := f.laneOf(n)
	select {
	case lane.room <- struct{}{}:
		defer func() { <-lane.room }()
	case <-ctx.Done():
		return need.Answer{}, fmt.Errorf("%d fetches are under way: %w", maxFetches, ctx.Err())
	}
	at := n.URL
	for range n.Redirects + 1 {
		answer, next, err := lane.exchange(ctx, n, at)
		if err != nil || next == "" {
			return answer, err
		}
		at = next
	}
	return need.Answer{}, fmt.Errorf("more than %d redirects", n.Redirects)
}

// exchange makes one request. It returns the answer, or where to look for it.
func (l *lane) exchange(ctx context.Context, n *need.HTTP, at string) (need.Answer, string, error) {
	var body io.Reader
	if n.Body != "" {
		body = strings.NewReader(n.Body)
	}
	request, err := http.NewRequestWithContext(ctx, n.Method, at, body)
	if err != nil {
		return need.Answer{}, "", err
	}
	for name, value := range n.Headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Accept-Encoding", "identity")
	// The transport alone: no redirect, no cookie.
	response, err := l.transport.RoundTrip(request)
	if err != nil {
		return need.Answer{}, "", err
	}
	defer response.Body.Close()
	if next, err := redirect(n, request.URL, response); next != "" || err != nil {
		return need.Answer{}, next, err
	}
	answer, err := readAnswer(n, response)
	return answer, "", err
}

func redirect(n *need.HTTP, from *url.URL, response *http.Response) (string, error) {
	switch response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return "", nil
	}
	location := response.Header.Get("Location")
	if n.Redirects == 0 || n.Method != http.MethodGet || location == "" {
		return "", nil
	}
	target, err := from.Parse(location)
	if err != nil {
		return "", errors.New("a redirect to what is no URL")
	}
	if from.Scheme != "https" || target.Scheme != "https" {
		return "", errors.New("a redirect that is not from https to https")
	}
	if target.User != nil {
		return "", errors.New("a redirect to a URL with user info")
	}
	return target.String(), nil
}

func readAnswer(n *need.HTTP, response *http.Response) (need.Answer, error) {
	if coding := joined(response.Header, "Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return need.Answer{}, errors.New("the answer is compressed, which was not asked for")
	}
	answer := need.Answer{Status: response.StatusCode, Headers: map[string]string{}}
	for _, name := range n.Read {
		if value := joined(response.Header, name); value != "" {
			answer.Headers[name] = value
		}
	}
	var err error
	answer.Content, err = readUpTo(response.Body, int64(n.MaxBytes), func() error {
		return fmt.Errorf("the answer is over %d bytes", n.MaxBytes)
	})
	return answer, err
}

func joined(headers http.Header, name string) string { return strings.Join(headers.Values(name), ", ") }

// close ends the connections that are kept.
func (f *fetcher) close() {
	for _, lane := range f.lanes() {
		lane.transport.CloseIdleConnections()
	}
}
