package tallystick

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/tallystick/tallystick/core/settings"
)

const (
	// policyEvery is how long after a look at the file the next one is made, at the earliest.
	policyEvery = 500 * time.Millisecond
	// policySettled is how long a file must not have changed: a half of it may be a configuration,
	// too.
	policySettled = 100 * time.Millisecond
)

// configFile is a file with a configuration.
type configFile struct {
	path string
	yaml func([]byte) ([]byte, error) // nil: there is no reader
}

// SkillFromFile returns a skill with the configuration of a file: strict JSON where its name ends
// with .json, else YAML, which the option YAML reads. The options override it; Config must not be
// among them.
//
// The file is watched: what changes in it holds within a second, also for tokens that were verified
// before. A version that is wrong is logged, and the one before it stays; so does one that changes
// who the agent is, which needs a restart. Errors: as of [NewSkill]; [ErrInvalidConfig] names the
// file, the key and the fix.
func SkillFromFile(path string, options SkillOptions) (*Skill, error) {
	if options.Config != "" {
		return nil, wrongArgument("Config: the file has the configuration: leave it out")
	}
	absolute, err := filepath.Abs(path)
	if err != nil || path == "" {
		return nil, wrongArgument("path must be the path of a file")
	}
	file := &configFile{absolute, options.YAML}
	before := file.stamp()
	if options.Config, err = file.read(); err != nil {
		return nil, err
	}
	s, err := newSkill(options, file)
	if err != nil {
		return nil, err
	}
	s.policy.seen = before
	return s, nil
}

func (f *configFile) source() string {
	if f == nil {
		return ""
	}
	return shown(filepath.Base(f.path))
}

func (f *configFile) stamp() os.FileInfo { return statOf(f.path) }

func (f *configFile) read() (string, error) {
	wrong := func(format string, args ...any) error {
		return invalidConfig("%s: "+format, append([]any{shown(f.path)}, args...)...)
	}
	isJSON := strings.EqualFold(filepath.Ext(f.path), ".json")
	if !isJSON && f.yaml == nil {
		return "", wrong("reading YAML needs the option YAML: give it ToJSON of the package bindings/go/yamlconfig, " +
			"or write the settings as JSON, in a file whose name ends with .json")
	}
	content, err := regularFile(f.path, settings.MaxConfig)
	switch {
	case errors.Is(err, errNotRegular):
		return "", wrong("it is not a regular file")
	case err != nil:
		return "", wrong("it cannot be read (%s): check the path and let this user read it", reasonOf(err))
	case len(content) > settings.MaxConfig:
		return "", wrong("it is over %d bytes: keep nothing but settings in it", settings.MaxConfig)
	case !utf8.Valid(content):
		return "", wrong("not UTF-8 text: save the file as UTF-8")
	}
	if isJSON {
		return strings.TrimPrefix(string(content), "\ufeff"), nil
	}
	return f.fromYAML(content)
}

func (f *configFile) fromYAML(content []byte) (string, error) {
	text, err := f.yaml(content)
	if err != nil {
		return "", invalidConfig("%s: %s: correct the YAML there", shown(f.path), err)
	}
	switch first := strings.TrimSpace(string(text)); {
	case first == "null":
		return "{}", nil
	case !strings.HasPrefix(first, "{"):
		return "", invalidConfig("%s: it must be a mapping of settings, such as base_url: '@my-agent'", shown(f.path))
	}
	return string(text), nil
}

// policy is the configuration of one agent, and what may become of it. Safe for concurrent use.
type policy struct {
	options SkillOptions // what overrides a configuration
	file    *configFile  // nil: there is none
	keysDir string
	looked  atomic.Int64 // when, in nanoseconds since 1970
	refused atomic.Pointer[string]

	lock sync.Mutex
	seen os.FileInfo
}

func (p *policy) refusal() string {
	if said := p.refused.Load(); said != nil {
		return *said
	}
	return ""
}

// refresh takes over a new version of the file. It does not wait for another goroutine that does.
func (p *policy) refresh(s *Skill) {
	if p.file == nil {
		return
	}
	now := time.Now()
	if since := now.UnixNano() - p.looked.Load(); since >= 0 && since < int64(policyEvery) || !p.lock.TryLock() {
		return
	}
	defer p.lock.Unlock()
	p.looked.Store(now.UnixNano())
	stamp := p.file.stamp()
	if sameFile(stamp, p.seen) {
		return
	}
	if stamp != nil {
		if age := now.Sub(stamp.ModTime()); age >= 0 && age < policySettled {
			p.looked.Store(now.Add(policySettled - policyEvery).UnixNano())
			return
		}
	}
	p.seen = stamp
	text, err := p.file.read()
	if err == nil {
		err = p.hold(s, text)
	}
	if err != nil {
		said := p.said(err)
		p.refused.Store(&said)
		s.logger.Error(said + "; the configuration of before stays in use")
		return
	}
	s.logger.Info(shown(p.file.path) + ": the new configuration holds")
}

func (p *policy) said(err error) string {
	said, source := err.Error(), p.file.source()
	var e *Error
	if errors.As(err, &e) {
		said = e.Message
	}
	if !strings.Contains(said, source) {
		said = source + ": " + said
	}
	return said
}

func (p *policy) hold(s *Skill, text string) error {
	options := p.options
	options.Config = text
	config, err := options.settings(p.file.source())
	if err != nil {
		return err
	}
	if config.KeysDir != p.keysDir {
		return invalidConfig("keys_dir: changes with a restart only")
	}
	if err := s.renew(config.Options(), config.Clients); err != nil {
		return err
	}
	p.refused.Store(nil)
	return nil
}

// Reload lets another configuration hold from now on: JSON text as of [SkillOptions], or, with "",
// the file of [SkillFromFile] as it is now. The options override it as they did before. It is
// [ErrInvalidConfig] where it is wrong, or changes what needs a restart: who the agent is, KeysDir,
// TokenTTL, DevMode, Leeway, ClockSkew, JWKSCacheTTL, Realm, MaxBody and MaxBuffered. Then nothing
// changes. Other processes do not know of it.
func (s *Skill) Reload(config string) error {
	if err := s.usable(skillMaker); err != nil {
		return err
	}
	p := s.policy
	if config == "" && p.file == nil {
		return wrongArgument("Reload needs a configuration: there is no file")
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if config == "" {
		p.seen = p.file.stamp()
		text, err := p.file.read()
		if err != nil {
			return err
		}
		config = text
	}
	if err := p.hold(s, config); err != nil {
		return fmt.Errorf("the configuration of before stays in use: %w", err)
	}
	return nil
}
