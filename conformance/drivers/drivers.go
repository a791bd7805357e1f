// Package drivers holds the programs that reach the core through the bindings,
// so that the runner has them outside a checkout.
package drivers

import "embed"

// Files are the drivers' sources, named as in this folder.
//
//go:embed c/driver.c python/driver.py node/driver.mjs node/exchange.mjs
var Files embed.FS
