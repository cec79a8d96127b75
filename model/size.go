package model

// NumParameters counts the values of all weights, each once though others may be tied to it.
func (m *Model) NumParameters() int {
	n := 0
	m.Weights(func(w *Weight) {
		if w.tied == nil {
			n += w.Size()
		}
	})
	return n
}

// WeightBytes counts the bytes of all weights in the types in which they are kept.
func (m *Model) WeightBytes() int {
	n := 0
	m.Weights(func(w *Weight) {
		if w.tied == nil {
			n += w.bytes()
		}
	})
	return n
}

// LinearBytes counts the bytes of the linear layers' matrices in the types in which they are kept, the LM head's included:
// generating a token reads all of them.
func (m *Model) LinearBytes() int {
	n := 0
	m.Linears(func(l *Linear) { n += l.Weight.owner().bytes() })
	return n
}

// WeightMemory counts the bytes that the weights hold in memory: the mapped checkpoint's, and those of values of the
// model's own, packed ones included.
func (m *Model) WeightMemory() (mapped, own int) {
	if m.file != nil {
		for _, name := range m.file.Names() {
			if t, ok := m.file.Get(name); ok {
				mapped += len(t.Data)
			}
		}
	}
	m.Weights(func(w *Weight) {
		if w.tied == nil && (w.stored.Data == nil || m.file == nil) {
			own += w.bytes()
		}
		own += w.packed.Bytes()
	})
	return mapped, own
}
