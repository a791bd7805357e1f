// Package base has what the stores share: their arguments, their time limit and their texts.
package base

import (
	"errors"
	"fmt"
	"time"
)

// Limits of what a store is given, the same in every language.
const (
	MaxSeconds  = 1 << 31  // the longest that something is kept
	MaxValue    = 64 << 10 // bytes of a value
	MaxDocument = 8 << 20  // bytes of a document
)

// The time limit of one call.
const (
	DefaultTimeout = 2 * time.Second
	MostTimeout    = time.Minute
)

var (
	errID       = errors.New("id must be 32 lower-case hex digits")
	errSeconds  = errors.New("seconds must be 1 to 2^31")
	errValue    = errors.New("value must be at most 64 KiB")
	errName     = errors.New("name must be 1 to 200 of A-Z a-z 0-9 . _ -")
	errVersion  = errors.New("expectedVersion must be 0 or more")
	errDocument = errors.New("document must be at most 8 MiB")
)

// Key returns an id's 16 bytes.
func Key(id string) ([]byte, error) {
	if len(id) != 32 {
		return nil, errID
	}
	key := make([]byte, 16)
	for at := range key {
		high, low := digit(id[2*at]), digit(id[2*at+1])
		if high > 15 || low > 15 {
			return nil, errID
		}
		key[at] = high<<4 | low
	}
	return key, nil
}

func digit(letter byte) byte {
	switch {
	case '0' <= letter && letter <= '9':
		return letter - '0'
	case 'a' <= letter && letter <= 'f':
		return letter - 'a' + 10
	}
	return 255
}

// Claim returns the bytes of an id that may be claimed for so long.
func Claim(id string, seconds int64) ([]byte, error) {
	key, err := Key(id)
	if err == nil && (seconds < 1 || seconds > MaxSeconds) {
		err = errSeconds
	}
	return key, err
}

// Put returns the bytes of an id under which the value may be kept for so long.
func Put(id string, value []byte, seconds int64) ([]byte, error) {
	key, err := Claim(id, seconds)
	if err == nil && len(value) > MaxValue {
		err = errValue
	}
	return key, err
}

// Name refuses what is no name of a document.
func Name(name string) error {
	if len(name) < 1 || len(name) > 200 {
		return errName
	}
	for _, letter := range []byte(name) {
		switch {
		case 'A' <= letter && letter <= 'Z', 'a' <= letter && letter <= 'z', '0' <= letter && letter <= '9':
		case letter == '.', letter == '_', letter == '-':
		default:
			return errName
		}
	}
	return nil
}

// Write refuses what may not be written as a document.
func Write(name string, expectedVersion int64, document []byte) error {
	if err := Name(name); err != nil {
		return err
	}
	if expectedVersion < 0 {
		return errVersion
	}
	if len(document) > MaxDocument {
		return errDocument
	}
	return nil
}

// Timeout returns the time limit of a store from its option: 0 stands for 2 s.
func Timeout(option time.Duration) (time.Duration, error) {
	if option == 0 {
		return DefaultTimeout, nil
	}
	if option < 0 || option > MostTimeout {
		return 0, fmt.Errorf("Timeout must be more than 0 and at most %v, not %v", MostTimeout, option)
	}
	return option, nil
}
