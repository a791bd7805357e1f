package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
)

func TestKeysFromTheFirstToTheLast(t *testing.T) {
	u := newTool(t)
	u.exits(0, "keys", "new", "carol", "--authorized", "authorized_keys")
	u.age("authorized_keys/carol.pem")
	u.file("alice.pem", alice().Public().PEM())
	u.exits(0, "keys", "add", "authorized_keys", "alice", "alice.pem")
	u.age("authorized_keys/alice.pem")
	u.exits(0, "keys", "list", "authorized_keys")
	u.exits(0, "keys", "rotate", "authorized_keys", "carol", "--out", "keys")
	u.age("authorized_keys/carol.pem")
	u.exits(0, "keys", "list", "authorized_keys")
	u.exits(0, "keys", "rotate", "authorized_keys", "carol", "--drop-old")
	u.exits(0, "keys", "revoke", "authorized_keys", "alice")
	u.age("authorized_keys/carol.pem")
	u.exits(0, "keys", "list", "authorized_keys", "--json")
	u.exits(0, "keys", "revoke", "authorized_keys", "carol")
	u.exits(3, "keys", "list", "authorized_keys")
	u.exits(3, "doctor", "--keys-dir", "authorized_keys")
	u.golden("keys")
	if got := u.names("keys") + " | " + u.names("authorized_keys"); got != "carol.2.pem carol.pem | " {
		t.Error(got)
	}
}

func TestEachKindOfKeySigns(t *testing.T) {
	u := newTool(t)
	for _, c := range []struct{ kind, shown, algorithm string }{
		{"rsa", "RSA 2048 bits", "RS256"}, {"ec", "P-256", "ES256"}, {"ed25519", "Ed25519", "EdDSA"},
	} {
		name := "caller-" + c.kind
		o := u.exits(0, "keys", "new", name, "--type", c.kind, "--authorized", "authorized_keys", "--json")
		if data := u.data(o); data["alg"] != c.algorithm || !strings.Contains(o.stderr, "made a key, "+c.shown) {
			t.Error(o)
		}
		o = u.exits(0, "sign", "GET", "https://agent.example.com/x", "--key", "keys/"+name+".pem", "--issuer", name)
		u.file("token", strings.TrimPrefix(strings.TrimSpace(o.stdout), "Authorization: Bearer "))
		// The tool's clock is another one, so the token's times alone are refused.
		o = u.exits(3, "verify", "@token", "--keys-dir", "authorized_keys", "--method", "GET", "--url",
			"https://agent.example.com/x")
		if !strings.Contains(o.stdout, "signature is good") || !strings.Contains(o.stdout, c.algorithm) {
			t.Error(o.stdout)
		}
		o = u.exits(0, "keys", "inspect", "keys/"+name+".pem")
		if !strings.Contains(o.stdout, c.shown) {
			t.Error(o.stdout)
		}
	}
	u.fails(2, "choose rsa, ec or ed25519", "keys", "new", "x", "--type", "dsa")
	u.fails(2, "leave bits out", "keys", "new", "x", "--type", "ec", "--bits", "2048")
	u.fails(2, "for a new pair", "keys", "rotate", "authorized_keys", "caller-rsa", "--type", "ec", "--drop-old")
	// PEM would turn a key for PS256 into one for RS256.
	u.file("pss.jwk", strings.Replace(alice().Public().JWK(), "RS256", "PS256", 1))
	u.fails(4, "PS256", "keys", "rotate", "authorized_keys", "caller-rsa", "pss.jwk")
	u.exits(0, "keys", "add", "authorized_keys", "pss", "pss.jwk")
	if o := u.exits(0, "keys", "list", "authorized_keys"); !strings.Contains(o.stdout, "RSA 2048 bits for PS256") {
		t.Error(o.stdout)
	}
}

// What a caller signs with the new pair, an agent of the folder reads with the public half.
func TestNewKeysFitAndAreKept(t *testing.T) {
	u := newTool(t)
	o := u.exits(0, "keys", "new", "carol", "--bits", "3072", "--json")
	private, err := jose.OnePrivate([]byte(u.content("keys/carol.pem")))
	if err != nil {
		t.Fatal(err)
	}
	data := u.data(o)
	public := private.Public()
	if data["public_pem"] != public.PEM() || data["bits"] != 3072.0 || data["kid"] != public.Thumbprint() {
		t.Error(o.stdout)
	}
	if leaksPrivate(t, private, o.stdout+o.stderr) {
		t.Error("the private key is shown")
	}
	if runtime.GOOS != "windows" {
		for path, want := range map[string]os.FileMode{"keys": 0o700 | os.ModeDir, "keys/carol.pem": 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode() != want {
				t.Errorf("%s: %v %v", path, info.Mode(), err)
			}
		}
	}
	before := u.content("keys/carol.pem")
	u.fails(4, "is there already and is not overwritten", "keys", "new", "carol")
	if u.content("keys/carol.pem") != before || u.names("keys") != "carol.pem" {
		t.Error("the first key was touched: " + u.names("keys"))
	}
	if plain := u.exits(0, "keys", "new", "dave"); !strings.HasPrefix(plain.stdout, "-----BEGIN PUBLIC KEY-----") {
		t.Error(plain.stdout)
	}
}

func TestNewKeysAreRefusedWhole(t *testing.T) {
	u := newTool(t)
	u.file("authorized/taken.pub", alice().Public().PEM())
	u.file("plain", "")
	if err := os.Mkdir("open", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code  int
		words string
		args  []string
	}{
		{4, "has taken.pub for taken already", []string{"taken", "--authorized", "authorized"}},
		{2, "are one folder", []string{"x", "--out", "authorized", "--authorized", "./authorized"}},
		{2, "no / or", []string{"https://x"}},
		{2, "no dot in front", []string{".x"}},
		{2, "characters that can be printed", []string{"a\nb"}},
		{2, "choose 2048, 3072 or 4096", []string{"x", "--bits", "1024"}},
		{4, "plain is a file: name a folder", []string{"x", "--out", "plain"}},
		{4, "plain is not a folder", []string{"x", "--authorized", "plain"}},
		{4, "run `chmod 700 open`", []string{"x", "--out", "open"}},
	} {
		if runtime.GOOS == "windows" && c.args[len(c.args)-1] == "open" {
			continue
		}
		u.fails(c.code, c.words, append([]string{"keys", "new"}, c.args...)...)
	}
	got := u.names(".") + " | " + u.names("authorized") + " | " + u.names("open")
	if got != "authorized open plain | taken.pub | " {
		t.Error("something was left: " + got)
	}
	u.exits(0, "keys", "new", "x", "--authorized", "authorized")
}

// A public key that cannot be written takes the private one with it.
func TestNothingIsHalfWritten(t *testing.T) {
	u := newTool(t)
	// A folder that seems to be missing, and cannot be made.
	if err := os.Symlink("nowhere", "authorized"); err != nil {
		t.Fatal(err)
	}
	u.fails(4, "authorized cannot be made", "keys", "new", "x", "--authorized", "authorized")
	if got := u.names("."); got != "authorized" {
		t.Error("something was left: " + got)
	}
	if err := os.Mkdir("nowhere", 0o755); err != nil {
		t.Fatal(err)
	}
	u.exits(0, "keys", "new", "x", "--authorized", "authorized")
}

func TestProblemsOfAFolder(t *testing.T) {
	u := newTool(t)
	u.file("folder/alice.pem", alice().Public().PEM())
	u.file("folder/bob.pem", bob().PEM())
	u.file("folder/carol.pem", bob().Public().PEM())
	u.file("folder/carol.pub", bob().Public().PEM())
	u.file("folder/dave.pem", "hello")
	u.file("folder/erin.crt", bob().Public().PEM())
	u.file("folder/README.md", "who may call")
	if err := os.Chmod("folder/alice.pem", 0o666); err != nil {
		t.Fatal(err)
	}
	o := u.exits(3, "keys", "list", "folder")
	u.exits(3, "keys", "list", "folder", "--json")
	if runtime.GOOS != "windows" {
		u.golden("problems")
	}
	if leaksPrivate(t, bob(), o.stdout+o.stderr) {
		t.Error("the private key is shown")
	}
	// Its twin has none of them.
	for _, name := range []string{"bob.pem", "carol.pub", "dave.pem", "erin.crt"} {
		if err := os.Remove("folder/" + name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod("folder/alice.pem", 0o644); err != nil {
		t.Fatal(err)
	}
	u.exits(0, "keys", "list", "folder")
	u.fails(4, "there is no folder nowhere", "keys", "list", "nowhere")
	u.fails(4, "is not a folder", "keys", "list", "folder/alice.pem")
}

// What is no regular file is a problem with its fix, and holds nobody up.
func TestWhatIsNoFileOfAFolder(t *testing.T) {
	u := newTool(t)
	u.file("folder/alice.pem", alice().Public().PEM())
	u.file("mounted/bob", bob().Public().PEM())
	links := map[string]string{
		"linked.pem": "../mounted/bob", "dangling.pem": "nowhere", "around.pem": "around.pem",
		"..data": "nowhere", "dangling.txt": "nowhere",
	}
	for name, target := range links {
		if err := os.Symlink(target, "folder/"+name); err != nil {
			t.Skip("this system makes no symbolic links: ", err)
		}
	}
	u.exits(3, "keys", "list", "folder")
	if err := os.Mkdir("folder/folder.pem", 0o700); err != nil {
		t.Fatal(err)
	}
	irregular := []string{"folder", "dangling", "around"}
	if runtime.GOOS != "windows" {
		irregular = append(irregular, "pipe", "socket", "")
		listener, err := net.Listen("unix", "folder/socket.pem")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		if said, err := exec.Command("mkfifo", "folder/pipe.pem").CombinedOutput(); err != nil {
			t.Fatal(err, string(said))
		}
		u.file("folder/\u009b.pem", alice().Public().PEM())
		u.recorded.Reset()
		u.age("mounted/bob")
		u.exits(3, "keys", "list", "folder")
		u.exits(3, "doctor", "--keys-dir", "folder")
		u.golden("irregular")
	}
	problems := u.data(u.exits(3, "keys", "list", "folder", "--json"))["problems"].([]any)
	if len(problems) != len(irregular) {
		t.Errorf("%d problems, want %d: %v", len(problems), len(irregular), problems)
	}
	for _, name := range irregular {
		if name == "" {
			continue
		}
		u.fails(4, "has "+name+".pem for "+name+" already", "keys", "add", "folder", name, "mounted/bob")
		u.fails(4, "cannot be changed", "keys", "rotate", "folder", name, "mounted/bob")
		u.exits(0, "keys", "revoke", "folder", name)
	}
	if err := os.RemoveAll("folder/\u009b.pem"); err != nil {
		t.Fatal(err)
	}
	u.exits(0, "keys", "list", "folder")
}

func TestWhoIsAdded(t *testing.T) {
	u := newTool(t)
	u.file("private.pem", bob().PEM())
	u.file("text", "hello")
	u.fails(4, "holds a private key", "keys", "add", "folder", "bob", "private.pem")
	u.fails(4, "no key found", "keys", "add", "folder", "bob", "text")
	u.fails(4, "there is no missing", "keys", "add", "folder", "bob", "missing")
	u.fails(4, "is a folder: name a file in it", "keys", "add", "folder", "bob", ".")
	u.fails(2, "never the key itself", "keys", "add", "folder", "bob", bob().Public().PEM())
	if _, err := os.Stat("folder"); err == nil {
		t.Error("the folder was made for nothing")
	}
	u.stdin = bob().Public().PEM()
	u.exits(0, "keys", "add", "folder", "bob", "-")
	u.stdin = `{"keys":[` + alice().Public().JWK() + `]}`
	u.exits(0, "keys", "add", "folder", "alice", "-")
	u.stdin = alice().Public().PEM()
	u.fails(4, "has bob.pem for bob already", "keys", "add", "folder", "bob", "-")
	if got := u.names("folder"); got != "alice.jwks.json bob.pem" {
		t.Error(got)
	}
	u.exits(0, "keys", "list", "folder")
}

// What is not touched stays as it is written: comments, other members, keys for something else.
func TestRotationInAJWKS(t *testing.T) {
	u := newTool(t)
	elliptic := `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`
	named := strings.Replace(alice().Public().JWK(), alice().Public().Thumbprint(), "first", 1)
	u.file("folder/x.jwks.json", `{"comment":"ours","keys":[`+elliptic+`,`+named+`]}`)
	u.stdin = bob().Public().PEM()
	u.exits(0, "keys", "rotate", "folder", "x", "-")
	u.stdin = bob().Public().PEM()
	u.fails(4, "already: give a new one", "keys", "rotate", "folder", "x", "-")
	var set struct {
		Comment string
		Keys    []map[string]string
	}
	read := func() {
		t.Helper()
		set.Keys = nil
		if err := json.Unmarshal([]byte(u.content("folder/x.jwks.json")), &set); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if set.Comment != "ours" || len(set.Keys) != 3 || set.Keys[0]["kty"] != "EC" || set.Keys[1]["kid"] != "first" ||
		set.Keys[2]["kid"] != bob().Public().Thumbprint() {
		t.Errorf("%+v", set)
	}
	u.fails(4, "x has no key other", "keys", "revoke", "folder", "x", "--kid", "other")
	u.exits(0, "keys", "revoke", "folder", "x", "--kid", "first")
	if read(); len(set.Keys) != 2 || set.Keys[0]["kty"] != "EC" || set.Keys[1]["kid"] != bob().Public().Thumbprint() {
		t.Errorf("%+v", set)
	}
	u.fails(4, "there is no old one to drop", "keys", "rotate", "folder", "x", "--drop-old")
	u.exits(0, "keys", "revoke", "folder", "x", "--kid", bob().Public().Thumbprint())
	if got := u.names("folder"); got != "" {
		t.Errorf("a file without a key is left: %s", got)
	}
}

func TestRotationInAPEM(t *testing.T) {
	u := newTool(t)
	u.file("folder/x.pem", "# first\n"+alice().Public().PEM())
	u.stdin = "# second\n" + bob().Public().PEM()
	u.exits(0, "keys", "rotate", "folder", "x", "-")
	if got, want := u.content("folder/x.pem"), "# first\n"+alice().Public().PEM()+bob().Public().PEM(); got != want {
		t.Error(got)
	}
	u.exits(0, "keys", "rotate", "folder", "x", "--drop-old")
	if got := u.content("folder/x.pem"); got != bob().Public().PEM() {
		t.Error(got)
	}
	for _, args := range [][]string{{}, {"-", "--drop-old"}, {"--out", "keys", "--drop-old"}, {"-", "--out", "keys"}} {
		u.fails(2, "give one of", append([]string{"keys", "rotate", "folder", "x"}, args...)...)
	}
	u.fails(2, "are one folder", "keys", "rotate", "folder", "x", "--out", "folder")
	u.fails(4, "has no key of y", "keys", "rotate", "folder", "y", "--drop-old")
	u.fails(4, "has no key of y", "keys", "revoke", "folder", "y")
	u.file("folder/x.pem", "hello")
	u.fails(4, "cannot be changed", "keys", "rotate", "folder", "x", "--drop-old")
	u.exits(0, "keys", "revoke", "folder", "x")
}

// What an agent of another user reads, it still reads after root has changed it.
func TestTheOwnerOfAFileStays(t *testing.T) {
	if os.Getuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root can give files to others, and only Linux is asked for their owner here")
	}
	u := newTool(t)
	u.file("folder/x.pem", alice().Public().PEM()+bob().Public().PEM())
	const other = 65534
	if err := os.Chown("folder/x.pem", other, other); err != nil {
		t.Fatal(err)
	}
	u.exits(0, "keys", "rotate", "folder", "x", "--drop-old")
	said, err := exec.Command("stat", "-c", "%u %g %a", "folder/x.pem").Output()
	if err != nil || string(said) != "65534 65534 600\n" {
		t.Errorf("%s %v", said, err)
	}
}

func TestInspectKeys(t *testing.T) {
	u := newTool(t)
	private := map[string]string{"private.pem": alice().PEM(), "pkcs1.pem": alice().PKCS1(), "private.jwk": alice().JWK(),
		"private.jwks": `{"keys":[` + alice().JWK() + `]}`}
	for name, text := range private {
		u.file(name, text)
		for _, args := range [][]string{{name}, {name, "--json"}} {
			o := u.exits(0, append([]string{"keys", "inspect"}, args...)...)
			if leaksPrivate(t, alice(), o.stdout+o.stderr) {
				t.Errorf("%s: the private key is shown", name)
			}
			if !strings.Contains(o.stdout, alice().Public().Thumbprint()) {
				t.Errorf("%s: %s", name, o.stdout)
			}
		}
	}
	u.recorded.Reset()
	u.file("two.pem", alice().Public().PEM()+bob().Public().PEM())
	u.file("set.json", `{"keys":[{"kty":"EC"},`+bob().Public().JWK()+`]}`)
	u.file("ec.json", `{"keys":[{"kty":"EC"}]}`)
	u.file("twice.json", `{"kty":"RSA","kty":"EC"}`)
	u.file("text", "hello")
	u.exits(0, "keys", "inspect", "private.pem")
	u.exits(0, "keys", "inspect", "two.pem", "--json")
	u.exits(0, "keys", "inspect", "set.json")
	u.exits(3, "keys", "inspect", "ec.json")
	u.exits(3, "keys", "inspect", "twice.json")
	u.exits(3, "keys", "inspect", "text")
	u.exits(4, "keys", "inspect", "missing")
	u.golden("keys-inspect")
	u.file("damaged.pem", alice().Public().PEM()+strings.Replace(bob().Public().PEM(), "-----END", "----END", 1))
	if o := u.exits(3, "keys", "inspect", "damaged.pem"); !strings.Contains(o.stdout, "damaged") {
		t.Error(o.stdout)
	}
}
