package tallystick

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tallystick/tallystick/core/need"
)

func fetchSite(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		w.Header().Add("Cache-Control", "public")
		w.Header().Add("Cache-Control", "max-age=5")
		w.Header().Set("Set-Cookie", "a=b")
		io.WriteString(w, r.Method+" "+r.Header.Get("Accept")+" "+r.Header.Get("Accept-Encoding")+" "+r.Header.Get("Cookie"))
		io.Copy(w, r.Body)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", 101))
	})
	mux.HandleFunc("/limit", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", 100))
	})
	mux.Handle("/moved", http.RedirectHandler("/keys", http.StatusFound))
	mux.HandleFunc("/packed", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		io.WriteString(packed, "x")
		packed.Close()
	})
	ended := make(chan struct{})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(func() { close(ended); s.Close() })
	return s
}

func fetched(f *fetcher, n need.HTTP) need.Answer {
	if n.Method == "" {
		n.Method = "GET"
	}
	if n.Timeout == 0 {
		n.Timeout = 10
	}
	n.MaxBytes = 100
	flight := f.begin(&n)
	<-flight.landed
	return flight.answer
}

func TestAFetchIsBounded(t *testing.T) {
	s, f := fetchSite(t), newFetcher(nil)
	defer f.close()
	got := fetched(f, need.HTTP{Flight: 1, URL: s.URL + "/keys", Headers: map[string]string{"accept": "x/y"},
		Read: []string{"etag", "cache-control", "expires"}})
	if got.HasFailed || got.Status != 200 || string(got.Content) != "GET x/y identity " || len(got.Headers) != 2 ||
		got.Headers["etag"] != `"1"` || got.Headers["cache-control"] != "public, max-age=5" {
		t.Fatalf("%+v %s", got, got.Content)
	}
	if got := fetched(f, need.HTTP{Flight: 2, Method: "POST", URL: s.URL + "/keys",
		Body: "a=b"}); !strings.HasSuffix(string(got.Content), " a=b") {
		t.Errorf("%+v", got)
	}
	if got := fetched(f, need.HTTP{Flight: 3, URL: s.URL + "/limit"}); got.HasFailed || len(got.Content) != 100 {
		t.Errorf("%+v", got)
	}
	if got := fetched(f, need.HTTP{Flight: 4, URL: s.URL + "/moved"}); got.HasFailed || got.Status != 302 {
		t.Errorf("%+v", got) // no redirect was asked for
	}
	for path, want := range map[string]string{"/large": "over 100 bytes", "/packed": "compressed",
		"/slow": "within 0.2 seconds"} {
		n := need.HTTP{Flight: 5, URL: s.URL + path}
		if path == "/slow" {
			n.Timeout = 0.2
		}
		if got := fetched(f, n); !got.HasFailed || !strings.Contains(got.Failed, want) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got := fetched(f, need.HTTP{Flight: 6, URL: s.URL + "/moved", Redirects: 3}); !strings.Contains(got.Failed,
		"not from https to https") {
		t.Errorf("%+v", got)
	}
}

func TestRedirectsStayOnHTTPS(t *testing.T) {
	mux := http.NewServeMux()
	s := httptest.NewTLSServer(mux)
	defer s.Close()
	for path, to := range map[string]string{"/one": "/two", "/two": "/end", "/loop": "/loop",
		"/plain": "http://127.0.0.1/", "/user": "https://u@127.0.0.1/"} {
		mux.Handle(path, http.RedirectHandler(to, http.StatusTemporaryRedirect))
	}
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "end") })
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	f := newFetcher(roots)
	defer f.close()
	if got := fetched(f, need.HTTP{Flight: 1, URL: s.URL + "/one", Redirects: 2}); string(got.Content) != "end" {
		t.Errorf("%+v", got)
	}
	for path, want := range map[string]string{"/loop": "more than 2 redirects", "/plain": "not from https",
		"/user": "user info"} {
		if got := fetched(f, need.HTTP{Flight: 2, URL: s.URL + path, Redirects: 2}); !strings.Contains(got.Failed, want) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got := fetched(newFetcher(nil), need.HTTP{Flight: 3, URL: s.URL + "/end"}); !strings.Contains(got.Failed,
		"certificate") {
		t.Errorf("%+v", got)
	}
}

func TestStrangersHavePublicAddresses(t *testing.T) {
	s, f := fetchSite(t), newFetcher(nil)
	defer f.close()
	local := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	if got := fetched(f, need.HTTP{Flight: 1, URL: local + "/keys"}); got.HasFailed {
		t.Fatalf("%+v", got)
	}
	// The connection that was kept for others is not used for a stranger.
	for i, at := range []string{local, s.URL, "http://[::1]:1", "http://169.254.169.254", "http://10.0.0.1"} {
		if got := fetched(f, need.HTTP{Flight: uint64(i), URL: at + "/keys",
			Public: true}); !strings.Contains(got.Failed, "not public") {
			t.Errorf("%s: %+v", at, got)
		}
	}
	for _, at := range []string{"127.0.0.1", "::ffff:10.0.0.1", "fe80::1%lo"} {
		if mustBePublic(netip.MustParseAddr(at)) == nil {
			t.Error(at)
		}
	}
	if err := mustBePublic(netip.MustParseAddr("93.184.215.14")); err != nil {
		t.Error(err)
	}
}

func TestNoProxyIsUsedUnasked(t *testing.T) {
	s := fetchSite(t)
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	f := newFetcher(nil)
	defer f.close()
	if f.any.transport.Proxy != nil || f.public.transport.Proxy != nil || f.internal.transport.Proxy != nil {
		t.Error("a proxy would be used")
	}
	if got := fetched(f, need.HTTP{Flight: 1, URL: s.URL + "/keys"}); got.HasFailed || asked.Load() != 0 {
		t.Errorf("%+v", got)
	}
}

func TestOneFlightIsOneRequest(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	f := newFetcher(nil)
	defer f.close()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { fetched(f, need.HTTP{Flight: 1, URL: s.URL}) })
	}
	all.Wait()
	fetched(f, need.HTTP{Flight: 1, URL: s.URL}) // one that was told of it before it landed
	if asked.Load() != 1 {
		t.Error(asked.Load())
	}
	fetched(f, need.HTTP{Flight: 2, URL: s.URL})
	if asked.Load() != 2 {
		t.Error(asked.Load())
	}
}
