// Package tallystick verifies and signs the calls that AI agents and orchestrators make to each
// other: who sent a request, that its body is what was sent, that it is meant for this agent, and
// that it is new.
//
// An agent protects its handlers with a [Verifier]; whoever calls it signs with a [Signer]:
//
//	verifier, err := tallystick.NewVerifier(tallystick.VerifierOptions{
//		KeysDir: "authorized_keys", Store: store,
//	})
//	http.Handle("/agent", verifier.Protect(handler))
//
//	signer, err := tallystick.NewSigner("orchestrator", pem, tallystick.SignerOptions{})
//	client := &http.Client{Transport: signer.Transport(nil)}
//
// Where agents of many owners call each other, a [Skill] verifies access tokens and asks for them,
// by the agents' URLs or by an [Authority]'s names (webagents' AOAuth skill).
//
// The same core decides here and in the bindings for Python and Node, which is wire-compatible
// with rotagent 0.1.0 and webagents 0.3.9. Where used tokens are remembered, a program chooses by
// importing one of the packages below stores/.
//
// Everything is safe for concurrent use by goroutines, unless it says otherwise.
package tallystick
