//go:build !unix

package command

import "os"

func keepOwner(*os.File, os.FileInfo) error { return nil }

func ofAnother(os.FileInfo) bool { return false }
