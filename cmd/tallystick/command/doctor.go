package command

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/pipeline"
)

// diagnosis is one line of doctor.
type diagnosis struct {
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Message string `json:"message"`
}

type diagnoses struct {
	Checks []diagnosis `json:"checks"`
}

func (d *diagnoses) words(p *printer) {
	for _, one := range d.Checks {
		p.line(p.mark(one.OK)+"  %s: %s", one.Check, one.Message)
	}
}

func (d *diagnoses) ok(check, format string, args ...any) {
	d.Checks = append(d.Checks, diagnosis{check, true, fmt.Sprintf(format, args...)})
}

func (d *diagnoses) problem(check, format string, args ...any) {
	d.Checks = append(d.Checks, diagnosis{check, false, fmt.Sprintf(format, args...)})
}

func (d *diagnoses) anyProblem() bool {
	for _, one := range d.Checks {
		if !one.OK {
			return true
		}
	}
	return false
}

// examined is what doctor was told to look at.
type examined struct {
	url, keysDir, baseURL string
	store                 string
	issuers, presets      []string
	config                string
}

func (a *app) doctor() *cobra.Command {
	e := examined{}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what would make an agent refuse good calls",
		Long: "Look for what would make an agent refuse good calls, and say for each problem what to do: a clock " +
			"that is off, a folder of keys with problems, a store that cannot be used, a wrong base URL, an " +
			"issuer whose keys cannot be fetched. Only what is named is looked at, and a store's file is not made. A " +
			"problem ends the command with exit code 3, also where something is missing, wrong or not reached.",
		Example: "tallystick doctor --keys-dir authorized_keys --url https://agent.example.com/",
		Args:    takes(0, 0),
		RunE:    func(c *cobra.Command, _ []string) error { return a.runDoctor(c.Context(), e) },
	}
	flags := c.Flags()
	flags.StringVar(&e.url, "url", "", "compare the clock with the one of the server at `URL`")
	flags.StringVar(&e.keysDir, "keys-dir", "", "look for problems of the folder `DIR` of callers' public keys")
	flags.StringVar(&e.baseURL, "base-url", "", "look whether `URL` can be an agent's base URL, and is reached")
	flags.StringVar(&e.store, "store", "", "look whether the store of used tokens can be used: `@FILE|-|URL`, "+
		"as the file where the URL has a password")
	flags.StringArrayVar(&e.issuers, "issuer", nil, "look for the keys of the issuer `URL`; may be given more than once")
	flags.StringArrayVar(&e.presets, "preset", nil, "look for the keys of an identity provider: "+presetForm+"; may be "+
		"given more than once")
	flags.StringVar(&e.config, "config", "", "look for the keys of all issuers that the configuration in `FILE` names, "+
		"JSON (.json) or YAML")
	return c
}

func (a *app) runDoctor(ctx context.Context, e examined) error {
	if e.url+e.keysDir+e.store+e.baseURL+e.config == "" && len(e.issuers)+len(e.presets) == 0 {
		return wrongUsage("name what to look at: --url, --keys-dir, --store, --base-url, --issuer, --preset or --config")
	}
	trusted, err := a.trustedBy(e)
	if err != nil {
		return err
	}
	if e.store != "" {
		if e.store, err = a.storeURL(e.store); err != nil {
			return err
		}
	}
	d := &diagnoses{Checks: []diagnosis{}}
	if e.url != "" {
		a.checkClock(ctx, d, e.url)
	}
	if e.keysDir != "" {
		checkFolder(d, e.keysDir)
	}
	if e.store != "" {
		a.checkStore(ctx, d, e.store)
	}
	if e.baseURL != "" {
		a.checkBaseURL(ctx, d, e.baseURL)
	}
	for _, issuer := range e.issuers {
		a.checkIssuerKeys(ctx, d, issuer)
	}
	for _, issuers := range trusted {
		a.checkTrusted(ctx, d, issuers)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := a.show(d); err != nil {
		return err
	}
	return found(d.anyProblem())
}

// tolerated is how far a caller's clock may run ahead where nobody says, in seconds.
const tolerated = 5

// checkClock compares with a Date header, which tells whole seconds.
func (a *app) checkClock(ctx context.Context, d *diagnoses, address string) {
	if _, err := checkURL(address, address); err != nil {
		d.problem("clock", "%s", err)
		return
	}
	f, err := a.get(ctx, address)
	if err != nil {
		d.problem("clock", "%s", err)
		return
	}
	at, err := http.ParseTime(f.header.Get("Date"))
	if err != nil {
		d.problem("clock", "%s sends no Date: compare with another URL", hostOf(address))
		return
	}
	way := f.gotten.Sub(f.sent)
	ahead := f.sent.Add(way / 2).Sub(at.Add(time.Second / 2)).Seconds()
	uncertain := 0.5 + way.Seconds()/2
	switch {
	case math.Abs(ahead)-uncertain <= tolerated:
		d.ok("clock", "within %d s of %s", tolerated, hostOf(address))
	case ahead > 0:
		d.problem("clock", "this machine is %.0f s ahead of %s: set its clock (NTP); it refuses good tokens as expired, "+
			"and others refuse its own as not yet valid", ahead, hostOf(address))
	default:
		d.problem("clock", "this machine is %.0f s behind %s: set its clock (NTP); it refuses good tokens as not yet valid, "+
			"and its own expire too early", -ahead, hostOf(address))
	}
}

func checkFolder(d *diagnoses, dir string) {
	f, err := readFolder(dir)
	if err != nil {
		d.problem("folder", "%s", err)
		return
	}
	for _, problem := range f.problems {
		d.problem("folder", "%s", problem.Message)
	}
	switch nobody := f.nobody(); {
	case nobody != nil:
		d.problem("folder", "%s", nobody.Message)
	case len(f.problems) == 0:
		d.ok("folder", "%s: %s, %s", dir, plural(f.set.Len(), "caller"), plural(f.set.Keys(), "key"))
	}
}

// checkBaseURL: any answer shows that the URL leads to a server.
func (a *app) checkBaseURL(ctx context.Context, d *diagnoses, address string) {
	if _, err := pipeline.NewPlace(address); err != nil {
		d.problem("base URL", "%s: %s: write it as callers do, such as https://agent.example.com", address, err)
		return
	}
	u, err := checkURL(address, address)
	if err != nil {
		d.problem("base URL", "%s", err)
		return
	}
	f, err := a.get(ctx, address)
	switch {
	case err != nil:
		d.problem("base URL", "%s", err)
	case u.Scheme == "http" && !isLoopback(u.Host):
		d.problem("base URL", "%s is reached by http: whoever is on the way reads the calls; use https", address)
	default:
		d.ok("base URL", "%s is reached (status %d)", address, f.status)
	}
}

const (
	pathDiscovery = "/.well-known/openid-configuration"
	pathMetadata  = "/.well-known/oauth-authorization-server"
	pathJWKS      = "/.well-known/jwks.json"
)

// checkIssuerKeys finds an issuer's keys as agents do (protocol.md section 6).
func (a *app) checkIssuerKeys(ctx context.Context, d *diagnoses, issuer string) {
	u, err := checkURL(issuer, issuer)
	if err != nil {
		d.problem("issuer", "%s", err)
		return
	}
	if u.Scheme == "http" && !isLoopback(u.Host) {
		d.problem("issuer", "%s is reached by http: whoever is on the way can exchange its keys; use https", issuer)
		return
	}
	a.checkDiscovery(ctx, d, issuer, discoveryOf(issuer))
}

// checkDiscovery finds an issuer's keys by its document of OpenID Connect or of RFC 8414, or at the
// usual place where it has neither.
func (a *app) checkDiscovery(ctx context.Context, d *diagnoses, issuer, document string) {
	jwks, documents := strings.TrimRight(issuer, "/")+pathJWKS, []string{document}
	u, err := checkURL(issuer, issuer)
	if err == nil && document == discoveryOf(issuer) && (u.Scheme == "https" || isLoopback(u.Host)) {
		// RFC 8414 section 3.1 puts the issuer's path behind the document's name. Inside of a network
		// (internal_http) agents do not ask for it.
		documents = append(documents, u.Origin+pathMetadata+strings.TrimRight(u.Path, "/"))
	}
	for _, document := range documents {
		f, err := a.get(ctx, document)
		if err != nil {
			d.problem("issuer", "%s", err)
			return
		}
		if f.status != http.StatusOK {
			continue
		}
		i := inspectText(issuer, f.content)
		switch {
		case i.Discovery == nil:
			d.problem("discovery", "%s is no discovery document: %s", document, strings.Join(i.Problems, "; "))
			return
		case i.Discovery.Issuer != issuer:
			d.problem("discovery", "it names the issuer %s: configure that one, not %s", i.Discovery.Issuer, issuer)
			return
		}
		d.ok("discovery", "%s", document)
		jwks = i.Discovery.JWKSURI
		break
	}
	a.checkJWKS(ctx, d, jwks)
}

func (a *app) checkJWKS(ctx context.Context, d *diagnoses, address string) {
	if _, err := checkURL("jwks_uri", address); err != nil {
		d.problem("keys", "%s", err)
		return
	}
	f, err := a.document(ctx, address)
	if err != nil {
		d.problem("keys", "%s", err)
		return
	}
	i := inspectText(address, f.content)
	for _, problem := range i.Problems {
		d.problem("keys", "%s: %s", address, problem)
	}
	if len(i.Problems) == 0 {
		d.ok("keys", "%s: %s", address, plural(len(i.Keys), "key"))
	}
}
