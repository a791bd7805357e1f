package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/base"
)

var schemes = map[string]string{
	"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss",
}

var errScheme = errors.New("server must be a URL of redis, rediss, valkey or valkeys, such as " +
	"redis://127.0.0.1:6379/0")

// optionsOf returns how to connect by a URL, and what it is called, which holds no secret.
func optionsOf(text string) (*redis.Options, string, error) {
	scheme, rest, found := strings.Cut(text, "://")
	known, ok := schemes[strings.ToLower(scheme)]
	if !found || !ok {
		return nil, "", errScheme
	}
	if err := base.OneAddress(text); err != nil {
		return nil, "", err
	}
	name := base.WithoutSecret(text)
	parsed, err := url.Parse(known + "://" + ascii(rest))
	if err != nil || parsed.Hostname() == "" || !isPort(parsed.Port()) {
		// That error may quote a password, and where "@HOST" was forgotten, the name would.
		return nil, "", errors.New("server: the URL cannot be read: write redis://HOST:PORT/0, or " +
			"redis://USER:PASSWORD@HOST:PORT/0 with user and password percent-encoded")
	}
	query := parsed.Query()
	for option := range query {
		if option != "client_name" && option != "ssl_ca_certs" {
			// Not quoted: it may be the rest of a password.
			return nil, "", errors.New("server: an option of the URL is not supported: client_name and " +
				"ssl_ca_certs are")
		}
	}
	authorities := query.Get("ssl_ca_certs")
	query.Del("ssl_ca_certs")
	parsed.RawQuery = query.Encode()
	options, err := redis.ParseURL(parsed.String())
	if err != nil {
		return nil, "", errors.New("server: the URL cannot be read: its port must be a number, and its path " +
			"the number of a database, such as /0")
	}
	if authorities == "" {
		return options, name, nil
	}
	if options.TLSConfig == nil {
		return nil, "", errors.New("server: ssl_ca_certs is of TLS: write rediss://")
	}
	return options, name, trust(options.TLSConfig, authorities)
}

// ascii percent-encodes what is not ASCII, as other languages do for a password in a URL.
func ascii(text string) string {
	var written strings.Builder
	for _, each := range []byte(text) {
		if each < utf8.RuneSelf {
			written.WriteByte(each)
		} else {
			fmt.Fprintf(&written, "%%%02X", each)
		}
	}
	return written.String()
}

func isPort(text string) bool {
	port, err := strconv.Atoi(text)
	return text == "" || (err == nil && port > 0 && port < 1<<16)
}

// trust has a client believe the authorities of a file alone.
func trust(config *tls.Config, path string) error {
	pem, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("server: ssl_ca_certs: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("server: ssl_ca_certs: %s holds no certificate in PEM", path)
	}
	return nil
}

// optionsOfClient returns how a client connects, and what it is called, which holds no secret.
func optionsOfClient(client redis.UniversalClient) (*redis.Options, string, error) {
	single, ok := client.(*redis.Client)
	if !ok || single == nil {
		return nil, "", fmt.Errorf("client must be a *redis.Client of a single server, not %T: clusters and "+
			"rings are not supported", client)
	}
	options := *single.Options()
	scheme := "redis"
	if options.TLSConfig != nil {
		scheme = "rediss"
	}
	if options.Network == "unix" {
		return &options, "unix://" + options.Addr, nil
	}
	return &options, fmt.Sprintf("%s://%s/%d", scheme, options.Addr, options.DB), nil
}

// single changes options to those of a client of one connection, which is there already and is never
// made anew. It sends nothing twice: a claim that is sent again finds itself.
func single(given *redis.Options, connection net.Conn, greet func(context.Context, *redis.Conn) error) *redis.Options {
	options, first := *given, make(chan net.Conn, 1)
	first <- connection
	options.Dialer = func(context.Context, string, string) (net.Conn, error) {
		select {
		case connection := <-first:
			return connection, nil
		default:
			return nil, errEnded
		}
	}
	options.OnConnect = func(ctx context.Context, connection *redis.Conn) error {
		if given.OnConnect != nil {
			if err := given.OnConnect(ctx, connection); err != nil {
				return err
			}
		}
		return greet(ctx, connection)
	}
	options.Protocol, options.DisableIdentity = 2, true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.MaxRetries, options.DialerRetries = -1, 1
	options.PoolSize, options.MinIdleConns, options.MaxActiveConns = 1, 0, 1
	options.ConnMaxIdleTime, options.ConnMaxLifetime = -1, 0
	options.ContextTimeoutEnabled = true
	options.PoolTimeout, options.ReadTimeout, options.WriteTimeout =
		base.MostTimeout, base.MostTimeout, base.MostTimeout
	return &options
}

var errEnded = errors.New("the connection has ended")

// dialled connects as the options say. The library's pool would log each try that fails.
func dialled(ctx context.Context, options *redis.Options) (net.Conn, error) {
	dial := options.Dialer
	if dial == nil {
		dial = redis.NewDialer(options)
	}
	return dial(ctx, options.Network, options.Addr)
}
