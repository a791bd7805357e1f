package keyring

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// version is the document's: another one is refused rather than guessed at.
const version = 1

const remedy = "; restore the file from a backup, or move it away to begin a new ring (tokens of the old one are refused then)"

// Parse reads a ring document. The problem is invalid_config; nothing of a key is in it.
func Parse(text string) (*Ring, *problem.Problem) {
	ring, err := parse(text)
	if err != nil {
		return nil, problem.New(problem.InvalidConfig, "key ring: "+err.Error()+remedy)
	}
	return ring, nil
}

func parse(text string) (*Ring, error) {
	var said, list strictjson.Value
	var unknown string
	err := strictjson.ReadObject(text, func(name string, v strictjson.Value) {
		switch name {
		case "version":
			said = v
		case "keys":
			list = v
		default:
			unknown = name
		}
	})
	switch {
	case err != nil:
		return nil, err
	case !strictjson.IsNumber(said) || said.Num != version:
		return nil, fmt.Errorf("version must be %d", version)
	case unknown != "":
		return nil, fmt.Errorf("unknown member %s", problem.Quote(unknown))
	case !list.IsArray():
		return nil, errors.New("keys must be an array")
	}
	var keys []Key
	for i, entry := range list.Array() {
		key, err := parseKey(entry)
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		keys = append(keys, key)
	}
	return assemble(keys)
}

// assemble checks the keys as a whole and brings them into their order.
func assemble(keys []Key) (*Ring, error) {
	count := map[State]int{}
	ids := map[string]bool{}
	for _, key := range keys {
		count[key.State]++
		ids[key.ID] = true
	}
	switch {
	case count[Active] != 1:
		return nil, fmt.Errorf("%d active keys, there must be exactly one", count[Active])
	case count[Next] > 1:
		return nil, fmt.Errorf("%d keys are next, there may be one", count[Next])
	case count[Retired] > maxRetired:
		return nil, fmt.Errorf("%d retired keys, there may be %d", count[Retired], maxRetired)
	case len(ids) < len(keys):
		return nil, errors.New("a key is there twice")
	}
	slices.SortStableFunc(keys, byAge)
	return &Ring{keys: keys}, nil
}

func byAge(a, b Key) int {
	rank := map[State]int{Active: 0, Next: 1, Retired: 2}
	if a.State != b.State {
		return rank[a.State] - rank[b.State]
	}
	switch {
	case a.DeadAt > b.DeadAt:
		return -1
	case a.DeadAt < b.DeadAt:
		return 1
	}
	return 0
}

// members are those of one key in the document.
type members struct {
	kid, state, private, public string
	published, dead             float64
	seen                        map[string]bool
	err                         error
}

func parseKey(entry strictjson.Value) (Key, error) {
	if !entry.IsObject() {
		return Key{}, errors.New("not an object")
	}
	m := members{seen: map[string]bool{}}
	strictjson.Members(entry.Raw, func(name string, v strictjson.Value) bool {
		m.seen[name] = true
		m.err = m.read(name, v)
		return m.err == nil
	})
	if m.err != nil {
		return Key{}, m.err
	}
	return m.key()
}

func (m *members) read(name string, v strictjson.Value) error {
	var text *string
	var time *float64
	switch name {
	case "kid":
		text = &m.kid
	case "state":
		text = &m.state
	case "private_pem":
		text = &m.private
	case "public_pem":
		text = &m.public
	case "published_at":
		time = &m.published
	case "dead_at":
		time = &m.dead
	default:
		return fmt.Errorf("unknown member %s", problem.Quote(name))
	}
	ok := false
	if text != nil {
		*text, ok = v.Str, strictjson.IsString(v)
	} else {
		*time, ok = strictjson.Seconds(v)
	}
	if !ok {
		return fmt.Errorf("%s has a wrong type", name)
	}
	return nil
}

func (m *members) key() (Key, error) {
	key := Key{ID: m.kid, State: State(m.state), PublishedAt: m.published, DeadAt: m.dead}
	switch key.State {
	case Next, Active, Retired:
	default:
		return Key{}, errors.New("state must be next, active or retired")
	}
	switch {
	case m.seen["private_pem"] == m.seen["public_pem"]:
		return Key{}, errors.New("give private_pem, or public_pem alone where a KMS signs")
	case !m.seen["published_at"]:
		return Key{}, errors.New("published_at is missing")
	case m.seen["dead_at"] != (key.State == Retired):
		return Key{}, errors.New("a retired key has dead_at, no other has it")
	}
	if err := key.readPEM(m.private, m.public); err != nil {
		return Key{}, err
	}
	if key.Public.Algorithm() == jose.PS256 { //guard:ring-ps256 never
		return Key{}, errPS256
	}
	if key.Public.Thumbprint() != key.ID {
		return Key{}, errors.New("kid is not the key's RFC 7638 thumbprint")
	}
	return key, nil
}

// errPS256: the PEM that a ring keeps cannot say PS256, so such a key would sign RS256 later.
var errPS256 = errors.New("a key for PS256: the RSA keys of a ring sign RS256")

// readPEM takes exactly one of the two.
func (k *Key) readPEM(private, public string) error {
	if private != "" {
		key, err := jose.OnePrivate([]byte(private))
		if err != nil {
			return fmt.Errorf("private_pem: %w", err)
		}
		k.Private, k.Public = key, key.Public()
		return nil
	}
	key, err := jose.OnePublic([]byte(public))
	if err != nil {
		return fmt.Errorf("public_pem: %w", err)
	}
	k.Public = key.Public
	return nil
}

// Document returns the ring as the text that Parse reads: the same bytes for the
// same ring. It holds the private keys.
func (r *Ring) Document() string {
	text := []byte(`{"version":1,"keys":[`)
	for i, key := range r.keys {
		if i > 0 {
			text = append(text, ',')
		}
		text = key.appendTo(text)
	}
	return string(append(text, `]}`...))
}

func (k Key) appendTo(text []byte) []byte {
	member := func(name, value string) {
		text = append(text, `,"`+name+`":`...)
		text = strictjson.AppendString(text, value)
	}
	time := func(name string, at float64) {
		text = append(text, `,"`+name+`":`...)
		text = strictjson.AppendInt(text, int64(at))
	}
	text = append(text, `{"kid":`...)
	text = strictjson.AppendString(text, k.ID)
	member("state", string(k.State))
	if k.Private != nil {
		member("private_pem", k.Private.PEM())
	} else {
		member("public_pem", k.Public.PEM())
	}
	time("published_at", k.PublishedAt)
	if k.State == Retired {
		time("dead_at", k.DeadAt)
	}
	return append(text, '}')
}
