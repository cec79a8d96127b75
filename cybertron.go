//go:build tools

// Package spagotune is the root of the module; its packages are in the folders below. This file holds the version of
// Cybertron in go.mod until model's bridge to it imports it.
package spagotune

import (
	_ "github.com/nlpodyssey/cybertron/pkg/models/bart"
	_ "github.com/nlpodyssey/cybertron/pkg/models/bert"
)
