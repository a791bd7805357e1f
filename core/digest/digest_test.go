package digest

import "testing"

func TestPublishedDigests(t *testing.T) {
	// RFC 9530 section 2 and appendix B.1; FIPS 180-4 for the empty text.
	if got := Field([]byte("{\"hello\": \"world\"}\n")); got != "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:" {
		t.Error(got)
	}
	if got := Hex(nil); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error(got)
	}
}

func TestEqual(t *testing.T) {
	sum := Hex([]byte("x"))
	if !Equal(sum, sum) || Equal("", sum) || Equal(sum[1:], sum) || Equal("X"+sum[1:], sum) {
		t.Error("Equal does not compare to the letter")
	}
}
