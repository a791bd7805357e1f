package tallystick

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"
)

const restoreCopy = "restore it from a copy"

func wrongFile(path, what, problem, fix string) *Error {
	return invalidConfig("the %s %s %s: %s", what, shown(path), problem, fix)
}

func failedFile(path, what, done string, err error, fix string) *Error {
	e := wrongFile(path, what, fmt.Sprintf("cannot be %s (%s)", done, causeOf(err)), fix)
	e.cause = err
	return e
}

// causeOf is what the system said, without paths.
func causeOf(err error) string {
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err.Error()
	}
	return reasonOf(err)
}

// openPrivate opens a file that only its owner may read, and reads its text; nil where there is
// none, and no text where it was emptied meanwhile.
func openPrivate(path, what string) (*os.File, string, error) {
	// Without the flag a named pipe in the place of the file would block the reader.
	file, err := os.OpenFile(path, os.O_RDONLY|openNonblock, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", failedFile(path, what, "read", err, "let this user read it")
	}
	text, err := privateText(path, what, file)
	if err != nil {
		file.Close()
		return nil, "", err
	}
	return file, text, nil
}

func privateText(path, what string, file *os.File) (string, error) {
	unread := func(err error) error { return failedFile(path, what, "read", err, "let this user read it") }
	info, err := file.Stat()
	if err != nil {
		return "", unread(err)
	}
	if !info.Mode().IsRegular() {
		return "", wrongFile(path, what, "is not a regular file", restoreCopy)
	}
	if err := checkPrivate(path, what, info); err != nil {
		return "", err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxShared+1))
	if err != nil {
		return "", unread(err)
	}
	if len(content) > maxShared {
		return "", wrongFile(path, what, fmt.Sprintf("is over %d bytes", maxShared), restoreCopy)
	}
	after, err := file.Stat()
	if err != nil {
		return "", unread(err)
	}
	if after.Size() != int64(len(content)) {
		return "", nil // emptied while it was read
	}
	if !utf8.Valid(content) {
		return "", wrongFile(path, what, "is not UTF-8 text", restoreCopy)
	}
	return string(content), nil
}

func writePrivate(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}
