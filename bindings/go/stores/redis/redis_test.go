package redis_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	check "github.com/tallystick/tallystick/bindings/go/stores/internal/storecheck"
	"github.com/tallystick/tallystick/bindings/go/stores/redis"
	"github.com/tallystick/tallystick/bindings/go/storetest"
)

var (
	_   tallystick.ValueStore = (*redis.Store)(nil)
	ctx                       = context.Background()
)

func storeOf(t *testing.T, url string, options redis.Options) *redis.Store {
	t.Helper()
	store, err := redis.New(url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// rawOf returns a client for what a test itself asks a server.
func rawOf(t *testing.T, server *check.Server) *goredis.Client {
	t.Helper()
	options, err := goredis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	raw := goredis.NewClient(options)
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

func addressOf(server *check.Server) string { return fmt.Sprintf("127.0.0.1:%d", server.Port) }

// patience is for a machine that does much else.
const patience = 5 * time.Second

func TestStoreTest(t *testing.T) {
	var server *check.Server
	open := func(url string) (tallystick.Store, error) { return redis.New(url, redis.Options{Timeout: patience}) }
	storetest.Run(t, open, storetest.Options{
		Timeout: patience,
		Start: func(t *testing.T) string {
			server = check.StartServer(t, "redis")
			return server.URL
		},
		Pause:  func() error { return server.Do("pause") },
		Resume: func() error { return server.Do("resume") },
		Restart: func() error {
			return errors.Join(server.Do("kill"), server.Do("start"))
		},
	})
}

func TestAllLanguagesShareAServer(t *testing.T) {
	server := check.StartServer(t, "redis")
	store := storeOf(t, server.URL, redis.Options{Timeout: time.Minute})
	others := check.OpenOthers(t, "redis", server.URL)
	others.Race(t, store, 1000)
	others.Agree(t, store)
}

func TestUsesTheKeysOfEveryLanguage(t *testing.T) {
	server := check.StartServer(t, "redis")
	raw := rawOf(t, server)
	for prefix, option := range map[string]string{"tallystick:": "", "other:": "other:"} {
		store, id := storeOf(t, server.URL, redis.Options{Prefix: option}), check.NewID()
		if won := check.WinnersOf64(t, func() (bool, error) { return store.Claim(ctx, id, 100) }); won != 1 {
			t.Error(won)
		}
		if value, err := raw.Get(ctx, prefix+"used:"+id).Result(); value != "1" || err != nil {
			t.Error(value, err)
		}
		if left := raw.PTTL(ctx, prefix+"used:"+id).Val(); left <= 50*time.Second || left > 100*time.Second {
			t.Error(left)
		}
		if err := store.Put(ctx, id, []byte("\x00\xff\r\n"), 100); err != nil {
			t.Fatal(err)
		}
		if value, err := raw.Get(ctx, prefix+"value:"+id).Result(); value != "\x00\xff\r\n" || err != nil {
			t.Error(value, err)
		}
		if left := raw.PTTL(ctx, prefix+"value:"+id).Val(); left <= 50*time.Second || left > 100*time.Second {
			t.Error(left)
		}
		won := check.WinnersOf64(t, func() (bool, error) {
			_, there, err := store.Take(ctx, id)
			return there, err
		})
		if won != 1 {
			t.Error(won)
		}
		if connections := raw.Info(ctx, "clients").Val(); !strings.Contains(connections, "connected_clients:") {
			t.Error(connections)
		}
		if !store.LostAt().IsZero() {
			t.Error(store.LostAt())
		}
	}
	// At most 16 connections for each store, and one of this test.
	for line := range strings.Lines(raw.Info(ctx, "clients").Val()) {
		if count, found := strings.CutPrefix(strings.TrimSpace(line), "connected_clients:"); found {
			if number, err := strconv.Atoi(count); err != nil || number > 33 {
				t.Error(line, err)
			}
		}
	}
}

func TestRefusesWrongArguments(t *testing.T) {
	server := check.StartServer(t, "redis")
	check.RefusesWrongArguments(t, storeOf(t, server.URL, redis.Options{}))
	for _, url := range []string{
		"", "redis://", "redis:127.0.0.1", "http://user:s3cret@host", "redis://user:s3cret@host:99999/0",
		"redis://user:s3cret@host:port/0", "redis://user:s3cret@host/zero", "redis://user:s3/cret@host/0",
		"redis://user:s3cret@host/0?password=s3cret", "redis://user:s3#cret@host/0", "redis://user:s3%ret@host/0",
		"redis://user:s3@cret@host/0", "redis://host/0?ssl_ca_certs=/no/such/file", "s3cret",
		"redis://host:s3cret", "redis://:s3cret", "rediss://host:s3cret/0", "valkey://:s3/cret", "redis://host:s3?cret",
		"redis://:6379", "redis://host:6379?s3cret", "redis:s3cret",
	} {
		store, err := redis.New(url, redis.Options{})
		if err == nil || store != nil || !strings.HasPrefix(err.Error(), "store redis: ") {
			t.Errorf("%s: %v", url, err)
		} else if strings.Contains(err.Error(), "s3") || strings.Contains(err.Error(), "cret") {
			t.Errorf("it quotes a secret: %v", err)
		}
	}
	for _, options := range []redis.Options{{Timeout: -1}, {Timeout: time.Hour}, {Prefix: "\xff"}} {
		if _, err := redis.New(server.URL, options); err == nil || !strings.HasPrefix(err.Error(), "store redis://") {
			t.Errorf("%+v: %v", options, err)
		}
	}
	for _, scheme := range []string{"redis", "valkey", "REDIS"} {
		url := strings.Replace(server.URL, "redis", scheme, 1)
		store := storeOf(t, url, redis.Options{Timeout: time.Minute})
		check.MustClaim(t, store, check.NewID(), true)
		if store.String() != "store "+url {
			t.Error(store)
		}
	}
}

func TestSeesARestart(t *testing.T) {
	server := check.StartServer(t, "redis")
	raw := rawOf(t, server)
	store, id := storeOf(t, server.URL, redis.Options{}), check.NewID()
	check.MustClaim(t, store, id, true)
	before := time.Now()
	server.Must("kill")
	check.Fails(t, store, "refused): see whether the server runs, and whether host and port")
	server.Must("start")
	// The first answer over a new connection knows of the loss.
	check.MustClaim(t, store, id, true)
	lost := store.LostAt()
	if lost.Before(before) {
		t.Error(lost, before)
	}
	if told := raw.Get(ctx, "tallystick:lost").Val(); told != strconv.FormatInt(lost.Unix(), 10) {
		t.Error(told, lost)
	}
	later := storeOf(t, server.URL, redis.Options{})
	check.MustClaim(t, later, check.NewID(), true)
	if !later.LostAt().Equal(lost) {
		t.Error("a store that connects later is not told", later.LostAt())
	}
	// A time in the future would refuse all tokens until then.
	raw.Set(ctx, "tallystick:lost", time.Now().Unix()+1000, 0)
	third := storeOf(t, server.URL, redis.Options{})
	check.MustClaim(t, third, check.NewID(), true)
	if third.LostAt().After(time.Now().Add(100 * time.Second)) {
		t.Error(third.LostAt())
	}
	raw.Set(ctx, "tallystick:lost", "yesterday", 0)
	check.Say(t, check.Refusal(t, storeOf(t, server.URL, redis.Options{})),
		"the key tallystick:lost holds no time): delete that key")
}

func TestAnotherServerBehindTheNameIsALoss(t *testing.T) {
	one, two := check.StartServer(t, "redis"), check.StartServer(t, "redis")
	relay := check.StartRelay(t, addressOf(one))
	store, id := storeOf(t, "redis://"+relay.Address, redis.Options{}), check.NewID()
	won := check.WinnersOf64(t, func() (bool, error) { return store.Claim(ctx, id, 60) })
	if won != 1 || !store.LostAt().IsZero() {
		t.Fatal(won, store.LostAt())
	}
	// New connections lead to the other one, and those of before are still open.
	relay.Lead(addressOf(two))
	second := check.NewID()
	won = check.WinnersOf64(t, func() (bool, error) {
		free, _ := store.Claim(ctx, second, 60)
		return free, nil
	})
	if won < 1 {
		t.Error("nobody claimed")
	}
	relay.Cut()
	check.Answers(t, store)
	if store.LostAt().IsZero() {
		t.Fatal("the loss was not seen")
	}
	check.MustClaim(t, store, check.NewID(), true)
}

func TestAServerThatHangsAndIsKilled(t *testing.T) {
	server := check.StartServer(t, "redis")
	store := storeOf(t, server.URL, redis.Options{Timeout: 300 * time.Millisecond})
	check.MustClaim(t, store, check.NewID(), true)
	server.Must("pause")
	began := time.Now()
	for range 2 { // over connections of before, and over new ones
		for _, said := range check.RefusalsOf64(t, store) {
			check.Say(t, said, store.String()+" cannot be used (no answer within 300ms): see whether the server runs, "+
				"can be reached and is not overloaded")
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("128 calls took %v", took)
	}
	caller, leave := context.WithCancel(ctx)
	patient := storeOf(t, server.URL, redis.Options{Timeout: time.Minute})
	time.AfterFunc(20*time.Millisecond, leave)
	if _, err := patient.Claim(caller, check.NewID(), 60); !errors.Is(err, context.Canceled) {
		t.Error("a caller that goes away is answered: ", err)
	}
	server.Must("resume")
	check.Answers(t, store)
	if !store.LostAt().IsZero() {
		t.Error("it is the same server", store.LostAt())
	}
}

func TestNamesWhatIsWrongAndHidesThePassword(t *testing.T) {
	const secret = "s3cret-äß"
	server := check.StartServer(t, "redis", "--password", secret)
	at := func(user string) string { return fmt.Sprintf("redis://%s@%s", user, addressOf(server)) }
	const userFix = "): correct user and password, which are percent-encoded in a URL"
	for url, parts := range map[string][]string{
		"redis://user:s3cret@127.0.0.1:1/0": {
			"store redis://127.0.0.1:1/0 cannot be used (", "refused): see whether the server runs"},
		at(":wrong-s3cret") + "/0":         {"WRONGPASS", userFix},
		at("nobody:s3cret") + "/0":         {"WRONGPASS", userFix},
		"redis://" + addressOf(server):     {"NOAUTH", userFix},
		at(":"+secret) + "/99":             {"DB index", "): choose a database number that the server has"},
		"redis://:s3cret@no-such.invalid/": {"store redis://no-such.invalid/ cannot be used ("},
	} {
		store := storeOf(t, url, redis.Options{Timeout: 20 * time.Second})
		err := store.Check(ctx)
		if err == nil {
			t.Fatal("Check passed: ", url)
		}
		check.Say(t, err.Error(), append(parts, store.String())...)
		for _, text := range []string{
			fmt.Sprintf("%v %+v %#v", err, err, err), fmt.Sprintf("%v %+v %#v", store, store, store),
		} {
			if strings.Contains(text, "s3cret") {
				t.Errorf("it shows the password: %s", text)
			}
		}
	}
	store := storeOf(t, at(":s3cret-%C3%A4%C3%9F")+"/3", redis.Options{})
	if err := store.Check(ctx); err != nil {
		t.Error(err)
	}
}

func TestRefusesAServerThatMustNotHoldClaims(t *testing.T) {
	refused := func(server *check.Server, parts ...string) {
		t.Helper()
		store := storeOf(t, server.URL, redis.Options{})
		err := store.Check(ctx)
		if err == nil {
			t.Fatal("Check passed")
		}
		check.Say(t, err.Error(), parts...)
		check.Say(t, check.Refusal(t, store), parts...)
		// It starts where it is not required, and says why claims are refused.
		store = storeOf(t, server.URL, redis.Options{NotRequired: true})
		if err := store.Check(ctx); err != nil {
			t.Error(err)
		}
		check.Say(t, strings.Join(store.Notices(), "\n"), parts...)
		check.Say(t, check.Refusal(t, store), parts...)
	}
	for _, policy := range []string{"allkeys-lru", "volatile-ttl"} {
		refused(check.StartServer(t, "redis", "--config", "maxmemory-policy "+policy),
			"cannot be used (the server may evict used tokens: its maxmemory-policy is "+policy+
				"): set maxmemory-policy noeviction")
	}
	primary := check.StartServer(t, "redis")
	refused(check.StartServer(t, "redis", "--replica-of", strconv.Itoa(primary.Port)),
		"(the server is a replica): name the primary")
	refused(check.StartServer(t, "redis", "--cluster", "--port", strconv.Itoa(check.ClusterPort(t))),
		"(it runs in cluster mode): name a server that is alone: clusters are not supported")
	if err := storeOf(t, primary.URL, redis.Options{}).Check(ctx); err != nil {
		t.Error(err)
	}
}

func TestRefusesAServerWithAnotherClock(t *testing.T) {
	server := check.StartServer(t, "redis")
	for ahead, said := range map[time.Duration]string{
		-90 * time.Second: "s ahead of this host's): set both clocks", time.Hour: "s behind this host's): set both clocks",
	} {
		store := storeOf(t, server.URL, redis.Options{})
		store.SetClock(func() time.Time { return time.Now().Add(ahead) })
		check.Say(t, check.Refusal(t, store), "(the server's clock is ", said)
	}
	store := storeOf(t, server.URL, redis.Options{})
	store.SetClock(func() time.Time { return time.Now().Add(50 * time.Second) })
	check.MustClaim(t, store, check.NewID(), true)
}

func TestAnOperatorIsWarned(t *testing.T) {
	const onDisk = "the server keeps nothing on its disk: after its restart, tokens from before it are refused"
	bare := check.StartServer(t, "redis")
	store := storeOf(t, bare.URL, redis.Options{})
	for range 2 {
		if err := store.Check(ctx); err != nil {
			t.Fatal(err)
		}
	}
	said := store.Notices()
	if len(said) != 1 || !strings.HasPrefix(said[0], store.String()+": "+onDisk) || store.Notices() != nil {
		t.Error(said)
	}
	for _, config := range []string{"save 60 1", "appendonly yes"} {
		store := storeOf(t, check.StartServer(t, "redis", "--config", config).URL, redis.Options{})
		if err := store.Check(ctx); err != nil {
			t.Fatal(err)
		}
		if said := store.Notices(); said != nil {
			t.Error(config, said)
		}
	}
	// A user that may not ask.
	raw := rawOf(t, bare)
	rules := []string{"reset", "on", ">s3cret", "~tallystick:*", "+set", "+get", "+getdel", "+time"}
	if err := raw.ACLSetUser(ctx, "few", rules...).Err(); err != nil {
		t.Fatal(err)
	}
	few := strings.Replace(bare.URL, "redis://", "redis://few:s3cret@", 1)
	store = storeOf(t, few, redis.Options{})
	if err := store.Check(ctx); err != nil {
		t.Fatal(err)
	}
	check.MustClaim(t, store, check.NewID(), true)
	check.Say(t, strings.Join(store.Notices(), "\n"), "CONFIG GET is forbidden: see that maxmemory-policy is noeviction",
		"CONFIG GET is forbidden: see that the server keeps its data on disk", "as INFO is forbidden: allow this user INFO")
	if err := raw.ACLSetUser(ctx, "few", "-getdel").Err(); err != nil {
		t.Fatal(err)
	}
	_, _, err := store.Take(ctx, check.NewID())
	if err == nil {
		t.Fatal("it was taken")
	}
	check.Say(t, err.Error(), "no permissions", "): allow this user SET, GET, GETDEL, TIME, INFO and CONFIG|GET")
	check.MustClaim(t, store, check.NewID(), true)
}

func TestAFullServerRefuses(t *testing.T) {
	server := check.StartServer(t, "redis")
	raw := rawOf(t, server)
	store, id := storeOf(t, server.URL, redis.Options{}), check.NewID()
	check.MustClaim(t, store, id, true)
	raw.ConfigSet(ctx, "maxmemory", "1")
	check.Say(t, check.Refusal(t, store), "used memory", "): raise maxmemory: nothing may be evicted")
	raw.ConfigSet(ctx, "maxmemory", "0")
	check.MustClaim(t, store, id, false)
	check.MustClaim(t, store, check.NewID(), true)
}

func TestTakesAClient(t *testing.T) {
	server := check.StartServer(t, "redis", "--password", "s3cret")
	client := rawOf(t, server)
	store, err := redis.NewFromClient(client, redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_ = client.Close() // the connections are the store's own
	check.MustClaim(t, store, check.NewID(), true)
	if want := fmt.Sprintf("store redis://127.0.0.1:%d/0", server.Port); store.String() != want {
		t.Error(store)
	}
	for range 2 {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	check.MustClaim(t, store, check.NewID(), true)
	_ = store.Close()
	var none *goredis.Client
	for _, wrong := range []goredis.UniversalClient{
		nil, none, goredis.NewClusterClient(&goredis.ClusterOptions{}), goredis.NewRing(&goredis.RingOptions{}),
	} {
		if _, err := redis.NewFromClient(wrong, redis.Options{}); err == nil ||
			!strings.Contains(err.Error(), "client must be a *redis.Client of a single server") {
			t.Error(err)
		}
	}
}

// certificateOf makes a certificate of its own authority for a name, in files that the server's user
// may read.
func certificateOf(t *testing.T, name string) (key, certificate string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "tallystick-tls-") // t.TempDir is closed to the server's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(folder, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key = write("key.pem", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(private))
	return key, write("certificate.pem", "CERTIFICATE", made)
}

func TestTLS(t *testing.T) {
	key, certificate := certificateOf(t, "localhost")
	plain := check.StartServer(t, "redis")
	port := check.FreePort(t)
	check.StartServer(t, "redis", "--config", "port 0", "--config", fmt.Sprint("tls-port ", port),
		"--config", "tls-cert-file "+certificate, "--config", "tls-key-file "+key, "--config", "tls-auth-clients no")
	url := fmt.Sprintf("rediss://localhost:%d/0", port)
	patient := redis.Options{Timeout: 20 * time.Second}
	check.Say(t, check.Refusal(t, storeOf(t, url, patient)), "certificate",
		"name its authority: rediss://HOST:PORT/0?ssl_ca_certs=")
	other := strings.Replace(url, "localhost", "127.0.0.1", 1) + "?ssl_ca_certs=" + certificate
	check.Say(t, check.Refusal(t, storeOf(t, other, patient)), "127.0.0.1", ": name the host as its certificate does")
	check.Say(t, check.Refusal(t, storeOf(t, fmt.Sprintf("valkeys://127.0.0.1:%d/0", plain.Port),
		redis.Options{Timeout: 300 * time.Millisecond})), "no answer within 300ms")
	bare := storeOf(t, strings.Replace(url, "rediss", "redis", 1), patient)
	check.Say(t, check.Refusal(t, bare), "speaks TLS (rediss://)")
	trusted := storeOf(t, url+"?ssl_ca_certs="+certificate, patient)
	check.MustClaim(t, trusted, check.NewID(), true)
	check.MustClaim(t, trusted, check.NewID(), true)
	if !trusted.LostAt().IsZero() {
		t.Error(trusted.LostAt())
	}
}
