package conformance

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Digest returns the SHA-256 (hex) of all that a vector says; whether it was
// superseded is not part of it.
func (v Vector) Digest() (string, error) {
	v.SupersededBy = ""
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// WriteDigests writes the list that a release keeps in released/: a line a
// vector, its digest and its name.
func (s *Suite) WriteDigests(out io.Writer) error {
	for _, vector := range s.Vectors() {
		digest, err := vector.Digest()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s  %s\n", digest, vector.Name); err != nil {
			return err
		}
	}
	return nil
}

// HoldsReleased demands that every vector of a release's list is still there and
// says what it said then.
func (s *Suite) HoldsReleased(list io.Reader) error {
	now := map[string]Vector{}
	for _, vector := range s.Vectors() {
		now[vector.Name] = vector
	}
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		digest, name, _ := strings.Cut(lines.Text(), "  ")
		vector, there := now[name]
		if !there {
			return fmt.Errorf("%s was released and is gone: bring it back, and supersede it if it is wrong", name)
		}
		if today, err := vector.Digest(); err != nil || today != digest {
			return fmt.Errorf("%s was released and is changed: restore it, and let a new vector supersede it (superseded_by)", name)
		}
	}
	return lines.Err()
}
