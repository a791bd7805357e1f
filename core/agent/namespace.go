package agent

import (
	"strings"
	"sync"
)

// genericDomains are common generic top-level domains. A portal's name that
// begins with one (or with two letters: a country) is read as a domain reversed.
var genericDomains = wordSet(`com org net edu gov mil int arpa info biz name pro mobi jobs travel coop aero museum asia cat tel xxx
	dev app xyz cloud tech online site store shop blog page web live life world today news media studio design agency digital
	solutions systems network software computer services company group team work works zone space website host link click
	email chat social games finance academy global`)

// registryLabels stand below a country's domain where names are registered at the
// third level: co.uk is nobody's family.
var registryLabels = wordSet(`co com org net ac edu gov gob gouv govt mil or ne go ad gr lg ed sch school nom id ltd plc me
	asn info web biz firm gen ind nic res law adv art eng`)

// wordSet is made when it is first looked into: making such sets is a good part of
// the start of the WebAssembly module.
func wordSet(words string) func() map[string]bool {
	return sync.OnceValue(func() map[string]bool {
		set := map[string]bool{}
		for word := range strings.FieldsSeq(words) {
			set[word] = true
		}
		return set
	})
}

// Namespace returns the family that a name belongs to: its first segment, or the
// first two where the first is a top-level domain, or three below a registry's
// label (uk.co.example). In a name that was derived from a URL (external) the
// first segment is a top-level domain by construction; in a portal's name it is
// one when it has two letters or is a common generic one. Hosters that give out
// subdomains (github.io) are one family: no list of public suffixes is kept.
func Namespace(name string, external bool) string {
	first := segmentEnd(name, 0)
	domain := strings.ToLower(name[:first])
	if !external && !IsTopLevelDomain(domain) {
		return name[:first]
	}
	second := segmentEnd(name, first+1)
	if len(domain) == 2 && second > first && registryLabels()[strings.ToLower(name[min(first+1, second):second])] {
		return name[:segmentEnd(name, second+1)]
	}
	return name[:second]
}

// IsTopLevelDomain reports whether the first segment of a portal's name is read
// as a top-level domain.
func IsTopLevelDomain(segment string) bool {
	if len(segment) == 2 && isLetter(segment[0]) && isLetter(segment[1]) {
		return true
	}
	return genericDomains()[strings.ToLower(segment)]
}

// FirstSegment returns a name up to its first separator.
func FirstSegment(name string) string { return name[:segmentEnd(name, 0)] }

// segmentEnd returns where the segment that begins at start ends.
func segmentEnd(name string, start int) int {
	if start >= len(name) {
		return len(name)
	}
	if end := strings.IndexAny(name[start:], "./"); end >= 0 {
		return start + end
	}
	return len(name)
}
