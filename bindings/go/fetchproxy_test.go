package tallystick

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/address"
	"github.com/tallystick/tallystick/core/need"
)

// tunnels is a small proxy that speaks CONNECT and leads everybody to one server.
type tunnels struct {
	*httptest.Server
	leadsTo string

	lock   sync.Mutex
	wanted []string // targets
	said   []string // Proxy-Authorization
}

func newTunnels(t *testing.T, leadsTo string) *tunnels {
	p := &tunnels{leadsTo: leadsTo}
	p.Server = httptest.NewServer(http.HandlerFunc(p.tunnel))
	t.Cleanup(p.Close)
	return p
}

func (p *tunnels) tunnel(w http.ResponseWriter, r *http.Request) {
	p.lock.Lock()
	p.wanted, p.said = append(p.wanted, r.Host), append(p.said, r.Header.Get("Proxy-Authorization"))
	p.lock.Unlock()
	if r.Method != http.MethodConnect {
		http.Error(w, "only tunnels", http.StatusMethodNotAllowed)
		return
	}
	if strings.HasPrefix(r.Host, "refused.") {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	there, err := net.Dial("tcp", p.leadsTo)
	if err != nil {
		http.Error(w, "unreachable", http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(there, buffered)
		there.Close()
		close(ended)
	}()
	_, _ = io.Copy(here, there)
	here.Close()
	<-ended
}

func (p *tunnels) asked() int {
	p.lock.Lock()
	defer p.lock.Unlock()
	return len(p.wanted)
}

func TestConfiguredIssuersAreFetchedByTheProxy(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/end", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.Host+" "+r.Header.Get("Proxy-Authorization"))
	}))
	defer s.Close()
	at := s.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(at)
	proxy := newTunnels(t, at)
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	keys := "https://example.com:" + port // the server's certificate has this name
	t.Setenv("HTTPS_PROXY", strings.Replace(proxy.URL, "http://", "http://user:p%40ss@", 1))
	t.Setenv("https_proxy", "")
	t.Setenv("NO_PROXY", "intranet.example")
	t.Setenv("no_proxy", "")
	f := newFetcher(roots)
	defer f.close()
	got := fetched(f, need.HTTP{Flight: 1, URL: keys + "/moved", Redirects: 3, Proxy: true})
	if string(got.Content) != "example.com:"+port+" " || proxy.asked() == 0 || proxy.wanted[0] != "example.com:"+port ||
		proxy.said[0] != "Basic dXNlcjpwQHNz" {
		t.Fatalf("%+v %q %q", got, proxy.wanted, proxy.said)
	}
	if got := fetched(f, need.HTTP{Flight: 2, URL: "https://refused.example/", Proxy: true}); !got.HasFailed ||
		strings.Contains(got.Failed, "p@ss") || strings.Contains(got.Failed, "p%40ss") {
		t.Errorf("%+v", got)
	}
	asked := proxy.asked()
	for name, n := range map[string]need.HTTP{
		"a stranger":          {URL: keys + "/", Public: true},
		"inside":              {URL: keys + "/", Internal: true},
		"not allowed":         {URL: keys + "/"},
		"of NO_PROXY":         {URL: "https://intranet.example:1/", Proxy: true},
		"this machine":        {URL: s.URL + "/", Proxy: true},
		"plain http":          {URL: "http://127.0.0.1:1/", Proxy: true},
		"a stranger, proxied": {URL: keys + "/", Public: true, Proxy: true},
	} {
		n.Timeout = 2
		if fetched(f, n); proxy.asked() != asked {
			t.Errorf("%s: the proxy was asked", name)
			asked = proxy.asked()
		}
	}
	t.Setenv("HTTPS_PROXY", "socks5://user:p@127.0.0.1:1")
	if got := fetched(f, need.HTTP{Flight: 9, URL: keys + "/", Proxy: true}); !strings.Contains(got.Failed,
		"HTTPS_PROXY is not the URL of a proxy") {
		t.Errorf("%+v", got)
	}
}

// ownAddress is one of this machine's at which plain http inside of a network may be.
func ownAddress(t *testing.T) netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		block, err := netip.ParsePrefix(one.String())
		if err != nil {
			continue
		}
		if inside, err := address.Internal(block.Addr().String()); err == nil && inside {
			return block.Addr()
		}
	}
	t.Skip("this machine has no private address (RFC 1918 or unique local) to serve plain http at")
	return netip.Addr{}
}

func TestPlainHTTPInsideIsAtPrivateAddresses(t *testing.T) {
	f := newFetcher(nil)
	defer f.close()
	s := fetchSite(t)
	for i, at := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), "http://169.254.169.254",
		"http://93.184.215.14"} {
		if got := fetched(f, need.HTTP{Flight: uint64(i), URL: at + "/keys", Internal: true}); !strings.Contains(got.Failed,
			"not of a network inside") {
			t.Errorf("%s: %+v", at, got)
		}
	}
	listener, err := net.Listen("tcp", netip.AddrPortFrom(ownAddress(t), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	inside := &httptest.Server{Listener: listener, Config: &http.Server{Handler: s.Config.Handler}}
	inside.Start()
	defer inside.Close()
	if got := fetched(f, need.HTTP{Flight: 9, URL: inside.URL + "/keys", Internal: true}); got.Status != 200 {
		t.Errorf("%+v", got)
	}
	if got := fetched(f, need.HTTP{Flight: 10, URL: inside.URL + "/moved", Internal: true}); got.Status != 302 {
		t.Errorf("a redirect was followed: %+v", got)
	}
}
