//go:build !unix

package tallystick

import "os"

const openNoFollow = 0

// checkPrivate: Windows has neither modes nor owners of this kind.
func checkPrivate(string, string, os.FileInfo) error { return nil }

func openToOthers(os.FileInfo) (os.FileMode, bool) { return 0, false }

func isNoFolder(error) bool { return false }

func hasNoHardLinks(error) bool { return false }

// syncFolder: Windows opens no folder.
func syncFolder(string) error { return nil }
