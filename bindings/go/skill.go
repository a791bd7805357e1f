package tallystick

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/tallystick/tallystick/core/settings"
)

// Skill issues, gets and verifies access tokens for one agent (AOAuth;
// docs/explanation/protocol.md sections 2 to 7). Safe for concurrent use. The zero Skill refuses
// everything, and so does a closed one.
type Skill struct {
	*identity
	policy  *policy
	onError func(http.ResponseWriter, *http.Request, *Error)
	told    uncovered
}

const skillMaker = "NewSkill"

// NewSkill returns the skill of an agent. Without an authority and without a Signer the agent's
// keys are in {KeysDir}/{AgentID}.ring.json, which is made at the first start. Agents of one
// AgentID in one KeysDir share one key ring. Errors: [ErrInvalidConfig] names the key and the fix,
// [ErrInvalidArgument] an option of the program, and [ErrInvalidKey] a text that is no key.
func NewSkill(options SkillOptions) (*Skill, error) { return newSkill(options, nil) }

func newSkill(o SkillOptions, file *configFile) (*Skill, error) {
	o.Logger = orLogger(o.Logger)
	if err := o.check(); err != nil {
		return nil, err
	}
	config, err := o.settings(file.source())
	if err != nil {
		return nil, err
	}
	if err := checkStore(o.Store, config.DevMode); err != nil {
		return nil, err
	}
	keysDir, err := folderOf("KeysDir", config.KeysDir)
	if err != nil {
		return nil, err
	}
	m := material{options: config.Options(), keys: o.Keys, listed: config.Clients, store: o.Store,
		fetcher: newFetcher(o.RootCAs), logger: o.Logger}
	if err := m.takeKeys(&o, config, keysDir); err != nil {
		return nil, err
	}
	for _, inactive := range config.Inactive() {
		o.Logger.Warn(inactive.Key + ": not active: " + inactive.Reason)
	}
	made, err := newIdentity(m)
	if err != nil {
		return nil, o.worded(err)
	}
	s := &Skill{identity: made, onError: o.OnError, told: uncovered{logger: o.Logger}}
	s.policy = &policy{options: o, file: file, keysDir: config.KeysDir}
	return s, nil
}

// takeKeys finds what the agent signs with.
func (m *material) takeKeys(o *SkillOptions, config *settings.Access, keysDir string) error {
	stored, err := newDocuments(o.Store, o.StoreKey)
	if err != nil {
		return err
	}
	portal, nameless := config.Authority != "", config.AgentID == ""
	switch {
	case o.StoreKey != "" && (portal || nameless || o.Signer != nil):
		return wrongArgument("StoreKey is for the key ring of an agent that signs: with a Signer, an authority, or " +
			"without AgentID and BaseURL there is none")
	case portal && o.Signer != nil:
		return wrongArgument("Signer cannot be used with Authority: in portal mode the authority signs")
	case o.Signer != nil:
		return m.takeSigner(o)
	case portal || nameless:
		return nil // without a name to sign with it only verifies, and makes no file
	}
	document, err := stored.open("ring", config.BaseURL, "key ring")
	if err != nil {
		return err
	}
	m.ring, err = newRingKeeper(keysDir, config.AgentID, document, ringKeeper{
		lifetime: float64(config.TokenTTL) + config.Leeway, kind: o.KeyType, bits: o.KeyBits,
		logger: o.Logger,
	})
	return err
}

func (m *material) takeSigner(o *SkillOptions) error {
	kms, config, err := kmsOf(o.Signer, o.SignerTimeout)
	if err != nil {
		return err
	}
	m.kms = kms
	m.fixed, err = fixedRing(config.Public)
	return err
}

// Mode returns "portal", where an authority signs, or "self-issued".
func (s *Skill) Mode() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return string(s.agent().Mode())
}

// AgentID returns sub of the agent's own tokens.
func (s *Skill) AgentID() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return s.agent().ID()
}

// Name returns the agent's dotted name (protocol section 5).
func (s *Skill) Name() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return s.agent().Name()
}

// Issuer returns iss of the agent's tokens: its own URL, or its authority.
func (s *Skill) Issuer() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return s.agent().Issuer()
}

// BaseURL returns the agent's own URL: the audience that is accepted.
func (s *Skill) BaseURL() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return s.agent().BaseURL()
}

// ResourceMetadata returns the URL of the agent's document as a protected resource (RFC 9728), which
// [Skill.Endpoints] serves and the challenges of [Skill.Protect] name. "" where the agent has none.
func (s *Skill) ResourceMetadata() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return s.agent().ResourceMetadata()
}

// LogRefusal writes to the skill's Logger why a request was refused, as [Skill.Protect] does: for
// middleware of one's own, by [Skill.VerifyHTTP] or [Skill.VerifyToken]. Other errors than an
// [*Error] with a Response are logged as internal ones.
func (s *Skill) LogRefusal(r *http.Request, err error) {
	if r != nil && err != nil {
		logRefusal(r, s.log(), refusalOf(err))
	}
}

// String names the agent.
func (s *Skill) String() string {
	if s.usable(skillMaker) != nil {
		return "Skill(none)"
	}
	return fmt.Sprintf("Skill(%q, %s)", s.AgentID(), s.Mode())
}

// Format is String, whatever the verb.
func (s *Skill) Format(f fmt.State, _ rune) { show(f, s) }

// usable hides what an embedded pointer of nil would do.
func (s *Skill) usable(maker string) *Error {
	if s == nil {
		return (*identity)(nil).usable(maker)
	}
	return s.identity.usable(maker)
}

// refresh takes over what others changed, the configuration's file included.
func (s *Skill) refresh(ctx context.Context) {
	s.policy.refresh(s)
	s.identity.refresh(ctx)
}

// Close has the skill refuse every later request ([ErrUnknownEngine]) and closes the connections
// that it keeps. The store is its owner's to close.
func (s *Skill) Close() error {
	if s != nil {
		s.close()
	}
	return nil
}

func (s *Skill) log() *slog.Logger {
	if s == nil || s.identity == nil {
		return slog.Default()
	}
	return s.logger
}

// RotateKeys signs with the next key from now on. The former key stays published until its last
// token has expired. Errors: [ErrInvalidArgument] while the next key has not been published long
// enough for all receivers to know it, and where the agent has no key ring.
func (s *Skill) RotateKeys(ctx context.Context, options RotateOptions) (Rotation, error) {
	if err := s.usable(skillMaker); err != nil {
		return Rotation{}, err
	}
	return s.rotate(ctx, options)
}

// SkillStats tell how much a skill holds.
type SkillStats struct {
	// Issuers whose keys are cached, and how many there may be.
	Issuers, IssuerCapacity int
	// Kept are tokens that are kept for sending, Verified those that are remembered as verified.
	Kept, Verified int
	// PolicyRefused says why the newest version of the configuration's file does not hold; "" where
	// it does.
	PolicyRefused string
}

// Stats returns how much is held at this moment.
func (s *Skill) Stats() SkillStats {
	if s.usable(skillMaker) != nil {
		return SkillStats{}
	}
	held := s.agent().Stats()
	return SkillStats{held.Issuers, held.IssuerCapacity, held.Kept, held.Verified, s.policy.refusal()}
}
