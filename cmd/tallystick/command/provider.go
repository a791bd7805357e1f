package command

import (
	"context"
	"strings"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/yamlconfig"
	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/provider"
	"github.com/tallystick/tallystick/core/settings"
	"github.com/tallystick/tallystick/core/trust"
)

// presetForm is how a preset is written in an argument.
const presetForm = "`NAME,KEY=VALUE,…`, such as okta,domain=example.okta.com"

// presetOf reads a preset. The core knows which there are, and what each needs.
func presetOf(text string) (*provider.Preset, error) {
	name, rest, _ := strings.Cut(text, ",")
	p := &provider.Preset{Name: name}
	keys := map[string]*string{
		"domain": &p.Domain, "tenant": &p.Tenant, "region": &p.Region, "pool": &p.Pool, "realm": &p.Realm,
	}
	for rest != "" {
		var one string
		one, rest, _ = strings.Cut(rest, ",")
		key, value, _ := strings.Cut(one, "=")
		switch {
		case keys[key] == nil:
			return nil, wrongUsage("--preset: behind the name come domain, tenant, region, pool and realm: " +
				"write --preset okta,domain=example.okta.com")
		case *keys[key] != "":
			return nil, wrongUsage("--preset: %s is there twice: give it once", key)
		}
		*keys[key] = value
	}
	if _, f := p.Read(); f != nil {
		return nil, wrongUsage("--preset: %s", presetFault(f))
	}
	return p, nil
}

// presetFault words what is wrong with a preset as it is written in an argument.
func presetFault(f *provider.Fault) string {
	if f.Key == "name" {
		return "there is no such preset: write one of " + provider.Names()
	}
	fix := f.Fix
	if before, example, is := strings.Cut(fix, f.Key+": "); is {
		fix = before + f.Key + "=" + strings.Trim(example, `"`)
	}
	return f.Key + " " + f.What + ": " + fix
}

// trustedPreset is the entry of an agent that a provider's tokens call by an audience. Cognito writes
// none, and the client's id stands for it.
func trustedPreset(p *provider.Preset, audience string) trust.Issuer {
	entry := trust.Issuer{Preset: p, Audience: []string{audience}}
	if p.Name == "cognito" {
		entry.ClientAudience = entry.Audience
	}
	return entry
}

// namesOf are the issuers that an entry stands for.
func namesOf(entry trust.Issuer) []string {
	if entry.Preset == nil {
		return []string{entry.Issuer}
	}
	reading, _ := entry.Preset.Read() // it was read before
	names := make([]string, len(reading.Issuers))
	for i, one := range reading.Issuers {
		names[i] = one.Issuer
	}
	return names
}

// configured reads an agent's configuration as the core has it. It has no keys, and makes none.
func (a *app) configured(path string) (*settings.Access, access.Config, error) {
	if _, err := a.read("--config", path, settings.MaxConfig); err != nil {
		return nil, access.Config{}, err
	}
	config, err := tallystick.ReadConfig(path, yamlconfig.ToJSON)
	if err != nil {
		return nil, access.Config{}, unusable("%s", wordsOf(err))
	}
	compiled, p := config.Options().Config()
	if p != nil {
		return nil, access.Config{}, unusable("%s: %s", path, p.Message)
	}
	compiled.VerifyOnly = true
	return config, compiled, nil
}

// trustedBy are the issuers that doctor was told to look at by presets and a configuration.
func (a *app) trustedBy(e examined) ([]*trust.Issuers, error) {
	var trusted []*trust.Issuers
	for _, text := range e.presets {
		p, err := presetOf(text)
		if err != nil {
			return nil, err
		}
		issuers, err := trust.NewIssuers(trust.Config{Trusted: []trust.Issuer{{Preset: p}}})
		if err != nil {
			return nil, wrongUsage("--preset: %s", strings.TrimPrefix(err.Error(), "trusted_issuers[0]: "))
		}
		trusted = append(trusted, issuers)
	}
	if e.config != "" {
		_, compiled, err := a.configured(e.config)
		if err != nil {
			return nil, err
		}
		if len(compiled.Issuers.Configured()) == 0 {
			return nil, unusable("%s: it names no issuer: write trusted_issuers, an authority or jwks_uri", e.config)
		}
		trusted = append(trusted, compiled.Issuers)
	}
	return trusted, nil
}

// checkTrusted looks for the keys of all issuers that are configured.
func (a *app) checkTrusted(ctx context.Context, d *diagnoses, issuers *trust.Issuers) {
	for _, one := range issuers.Configured() {
		entry := issuers.Entry(one.Issuer)
		switch {
		case entry.JWKSURI != "":
			a.checkJWKS(ctx, d, entry.JWKSURI)
		case entry.Discovery != "":
			a.checkDiscovery(ctx, d, one.Issuer, entry.Discovery)
		case entry.InternalHTTP:
			a.checkDiscovery(ctx, d, one.Issuer, discoveryOf(one.Issuer))
		default:
			a.checkIssuerKeys(ctx, d, one.Issuer)
		}
	}
}

// discoveryOf is where an issuer's discovery document is, unless its preset says otherwise.
func discoveryOf(issuer string) string { return strings.TrimRight(issuer, "/") + pathDiscovery }
