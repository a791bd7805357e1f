// Package core has no code of its own: it is the house of the packages that decide.
// They are pure: time comes in with each call, and what they need from outside they ask
// for (package need). From the border inwards:
//
//   - abi: operations by name, JSON in, JSON out; engine: tickets and compiled configurations
//   - request, access: the two profiles, signed requests and access tokens
//   - pipeline: the steps that both walk
//   - oauthclient, keyset, keyring, authorizedkeys, trust, settings, agent, scope, replay, exclude:
//     what they decide with
//   - jose, strictjson, digest, weburl, address, glob: the forms of the wire
//   - need, problem: every question to a host, every error
package core
