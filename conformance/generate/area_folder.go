package generate

import "strings"

const authorizedKeys = "protocol.md section 1: authorized_keys"

func folder() *area {
	a := newArea("folder", "The content of an authorized-keys folder: which file speaks for which issuer, and which is not used.")
	good(a)
	unusable(a)
	unreadFiles(a)
	duplicates(a)
	return a
}

// loads expects issuers with their kids, and the codes of warnings by source.
func loads(issuers object, warnings []object, files ...object) step {
	return call("keys.load", object{"files": append([]object{}, files...)}, "", okIncludes(object{"issuers": issuers, "warnings": warnings}))
}

func kidsOf(keys ...pair) []object {
	kids := []object{}
	for _, key := range keys {
		kids = append(kids, object{"kid": key.kid(), "bits": key.bits()})
	}
	return kids
}

func good(a *area) {
	none := []object{}
	one := object{"alice": kidsOf(alice)}
	fine := func(name, says string, issuers object, files ...object) {
		a.accept(name, says, authorizedKeys, loads(issuers, none, files...))
	}
	fine("pem", "ISSUER.pem", one, file("alice.pem", alice.spki()))
	fine("pub", "ISSUER.pub", one, file("alice.pub", alice.spki()))
	fine("key", "ISSUER.key", one, file("alice.key", alice.spki()))
	fine("jwks", "ISSUER.jwks.json", one, file("alice.jwks.json", jwks(alice.jwk())))
	fine("pkcs1", "a PKCS#1 public key", one, file("alice.pem", alice.publicPKCS1()))
	fine("rotation", "two PEM blocks in one file", object{"alice": kidsOf(alice, aliceNext)}, file("alice.pem", alice.spki()+aliceNext.publicPKCS1()))
	fine("text-around", "text around the PEM block is for people", one, file("alice.pem", "alice's key\n"+alice.spki()+"thank you\n"))
	fine("crlf", "line ends of Windows", one, file("alice.pem", strings.ReplaceAll(alice.spki(), "\n", "\r\n")))
	fine("dots-in-issuer", "an issuer with dots in its name", object{"agent.example.com": kidsOf(alice)}, file("agent.example.com.pem", alice.spki()))
	fine("two-issuers", "two issuers, two files", object{"alice": kidsOf(alice), "bob": kidsOf(bob)}, file("bob.pem", bob.spki()), file("alice.pem", alice.spki()))
	fine("other-files", "files of other names are no keys", one, file("alice.pem", alice.spki()), file("README.md", "keys"), file("alice.txt", "x"), file("Makefile", ""))
	fine("hidden-files", "names that start with a dot are ignored", one, file("alice.pem", alice.spki()), file(".bob.pem", bob.spki()), file(".pem", bob.spki()))
	fine("elliptic", "an EC key beside an RSA key", object{"alice": kidsOf(alice), "bob": []object{{"alg": "ES256", "bits": 256}}},
		file("alice.pem", alice.spki()), file("bob.pem", readKeyText("elliptic.pub.pem")))
	fine("empty", "an empty folder", object{})
	a.accept("used", "the file's issuer is accepted", authorizedKeys, openFiles(file("alice.pem", alice.spki())), accepted(sign(alice, rotagentClaims()), nil))
}

func unusable(a *area) {
	warns := func(name, says, source, code string, bad object) {
		issuer, _, _ := strings.Cut(bad["name"].(string), ".")
		warning := []object{{"source": bad["name"], "issuer": issuer, "code": code}}
		a.reject(name, "pem", says, source, loads(object{"alice": kidsOf(alice)}, warning, file("alice.pem", alice.spki()), bad))
	}
	warns("private-key", "a private key in the folder", "protocol.md section 1: refused with a warning", "private_key", file("bob.pem", bob.pkcs8()))
	warns("private-key-pkcs1", "a PKCS#1 private key in the folder", "protocol.md section 1: refused with a warning", "private_key", file("bob.key", bob.privatePKCS1()))
	warns("private-jwk", "a private JWK in the folder", "protocol.md section 1: refused with a warning", "private_key", file("bob.jwks.json", jwks(bob.privateJWK())))
	warns("private-beside-public", "a private key beside the public one in one file", "protocol.md section 1: refused with a warning", "private_key",
		file("bob.pem", bob.spki()+bob.pkcs8()))
	warns("encrypted-key", "an encrypted private key", authorizedKeys, "private_key", file("bob.pem", readKeyText("alice.encrypted.pem")))
	warns("certificate", "a certificate", authorizedKeys, "certificate", file("bob.pem", readKeyText("alice.certificate.pem")))
	warns("roca", "a key with the ROCA fingerprint", "CVE-2017-15361", "weak_key", file("bob.pem", roca.spki()))

	warns("weak", "a key of 1024 bits", "RFC 7518 section 3.3", "weak_key", file("bob.pem", weak.spki()))
	warns("weak-in-rotation", "a key of 1024 bits beside a good one", "RFC 7518 section 3.3", "weak_key", file("bob.pem", bob.spki()+weak.spki()))
	warns("garbage", "a file that holds no key", authorizedKeys, "unusable", file("bob.pem", "not a key"))
	warns("damaged", "a PEM block that is cut off: a rotation must not lose a key unnoticed", authorizedKeys, "unusable", file("bob.pem", bob.spki()+alice.spki()[:200]))
	warns("other-curve", "an EC key on another curve than P-256", authorizedKeys, "unusable", file("bob.pem", readKeyText("secp256k1.pub.pem")))
	warns("empty-file", "an empty file", authorizedKeys, "empty", file("bob.pem", " \n"))
	warns("unreadable", "a file that the host could not read", "abi.md engine.open: files", "unreadable", object{"name": "bob.pem", "failed": "permission denied"})
	warns("unusable-file", "a file that the host found to be no text, such as one over the size", "abi.md keys.load", "unusable", object{"name": "bob.pem", "unusable": "larger than 262144 bytes"})
	a.reject("private-key-not-used", "used", "the issuer of a file that is not used is unknown", authorizedKeys, openFiles(file("alice.pem", alice.pkcs8())),
		verify(sign(alice, rotagentClaims()), nil, unknownIssuer("alice")))
}

// unreadFiles: a file that could not be read this time says nothing, not even that its
// issuer is unknown.
func unreadFiles(a *area) {
	source := "abi.md engine.open: files; protocol.md section 3: keys_unavailable"
	failed := func(name string) object { return object{"name": name, "failed": "EMFILE: too many open files"} }
	alices, bobs := sign(alice, rotagentClaims()), sign(bob, rotagentClaims().with(object{"iss": "bob"}))
	both := []object{file("alice.pem", alice.spki()), file("bob.pem", bob.spki())}
	a.accept("read", "two files that could be read", source, openFiles(both...), accepted(alices, nil), verify(bobs, nil, okIncludes(object{"claims": object{"iss": "bob"}})))
	a.reject("unread", "read", "one of them could not: its issuer is not called unknown, the other is as before", source, openFiles(both[0], failed("bob.pem")),
		verify(bobs, nil, refusal("keys_unavailable")), accepted(alices, nil))
	a.reject("unread-forged", "read", "whoever signed: without keys there is no verdict", source, openFiles(both[0], failed("bob.pem")), verify(sign(mallory, rotagentClaims().with(object{"iss": "bob"})), nil, refusal("keys_unavailable")))
	a.reject("unread-other-issuer", "read", "an issuer without a file stays unknown", source, openFiles(both[0], failed("bob.pem")), verify(sign(mallory, rotagentClaims().with(object{"iss": "mallory"})), nil, unknownIssuer("mallory")))
	a.reject("unread-beside-good", "read", "another file of the same issuer: two would both not be used, so one does not count before the other is read", source,
		openFiles(both[0], both[1], failed("bob.pub")), verify(bobs, nil, refusal("keys_unavailable")))
	a.reject("unread-other-file", "read", "a file of another name speaks for nobody, read or not", source, openFiles(both[0], failed("bob.txt")), verify(bobs, nil, unknownIssuer("bob")), accepted(alices, nil))
	a.reject("unusable-is-unknown", "read", "a file that can be no text of keys is one that is not used", source, openFiles(both[0], object{"name": "bob.pem", "unusable": "not UTF-8 text"}),
		verify(bobs, nil, unknownIssuer("bob")), accepted(alices, nil))
	a.accept("unread-then-read", "fed again, it counts", source, openFiles(both[0], failed("bob.pem")),
		call("engine.feed", object{"engine": "$engine", "files": both}, "", okIncludes(object{"issuers": 2})), verify(bobs, nil, okIncludes(object{"claims": object{"iss": "bob"}})))
	a.reject("read-then-unread", "read", "the keys that were known do not live on: the file may have taken one back", source, openFiles(both...),
		call("engine.feed", object{"engine": "$engine", "files": []object{both[0], failed("bob.pem")}}, "", okIncludes(object{"issuers": 1})), verify(bobs, nil, refusal("keys_unavailable")), accepted(alices, nil))
}

func duplicates(a *area) {
	warning := []object{{"issuer": "alice", "code": "duplicate_issuer"}}
	a.reject("two-files-one-issuer", "two-issuers", "two files for one issuer: which of them is stale, only a person knows", "issue: two files for one issuer",
		loads(object{"bob": kidsOf(bob)}, warning, file("alice.pem", alice.spki()), file("alice.pub", aliceNext.spki()), file("bob.pem", bob.spki())))
	a.reject("two-files-order", "two-issuers", "the same in the other order of the listing", "issue: two files for one issuer",
		loads(object{"bob": kidsOf(bob)}, warning, file("bob.pem", bob.spki()), file("alice.pub", aliceNext.spki()), file("alice.pem", alice.spki())))
	a.reject("keys-text-is-an-error", "used", "unusable text in keys is an error and no warning: it comes from the program", "abi.md engine.open: keys",
		call("engine.open", object{"verifier": object{"keys": object{"alice": "not a key"}}}, "", errorCode("invalid_key")))
	a.reject("files-and-keys", "used", "files and keys at once", "abi.md engine.open", call("engine.open",
		object{"verifier": object{"keys": object{"alice": alice.spki()}, "files": []object{file("bob.pem", bob.spki())}}}, "", errorCode("invalid_config")))
}
