// Package pipeline has the steps of a verification that both profiles walk (protocol.md
// section 3), a file for each:
//
//   - header.go: the Authorization header (step 1)
//   - signature.go: the candidate keys and the signature (step 6)
//   - claims.go: times and identifiers (steps 7 and 8)
//   - target.go: method, URL and query of the request (step 10)
//   - requestclaims.go: the claims that steps 10 and 11 compare, and the body's digest (step 11)
//   - replay.go: the one-time use (step 14)
//
// The compact token's form (steps 2 and 3) is package jose; what a profile requires is
// the profile's affair (packages request and access).
package pipeline
