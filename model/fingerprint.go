package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// fingerprintBytes is how much of the start, the middle and the end of a tensor a fingerprint looks at.
const fingerprintBytes = 1024

// Fingerprint tells the model's file from others, that of the same model in another type too: it is a hash of the names, types
// and shapes of its tensors and of some of their bytes, so that large files take no time. It is "" for a model without a file.
func (m *Model) Fingerprint() string {
	if m.file == nil {
		return ""
	}
	names := slices.Clone(m.file.Names())
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		t, ok := m.file.Get(name)
		if !ok {
			continue
		}
		_, _ = fmt.Fprintf(h, "%s %s %v\n", name, t.DType, t.Shape)
		last := max(0, len(t.Data)-fingerprintBytes)
		for _, at := range []int{0, last / 2, last} {
			h.Write(t.Data[at:min(len(t.Data), at+fingerprintBytes)])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
