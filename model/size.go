package model

// NumParameters counts the values of all weights, tied ones once.
func (m *Model) NumParameters() int {
	n := 0
	m.Weights(func(w *Weight) {
		if w.tied == nil {
			n += w.Size()
		}
	})
	return n
}

// WeightBytes counts the bytes of all weights as they are kept.
func (m *Model) WeightBytes() int {
	n := 0
	m.Weights(func(w *Weight) {
		if w.tied == nil {
			n += w.bytes()
		}
	})
	return n
}

// LinearBytes counts the bytes of the linear layers' matrices as they are kept, the LM head's too: what a token that is
// generated reads.
func (m *Model) LinearBytes() int {
	n := 0
	m.Linears(func(l *Linear) { n += l.Weight.owner().bytes() })
	return n
}

// WeightMemory counts the bytes of memory behind the weights: the checkpoint's, which is mapped and stays, and those of
// float32 values besides.
func (m *Model) WeightMemory() (mapped, own int) {
	if m.file != nil {
		for _, name := range m.file.Names() {
			if t, ok := m.file.Get(name); ok {
				mapped += len(t.Data)
			}
		}
	}
	m.Weights(func(w *Weight) {
		if w.tied == nil && w.stored.Data == nil {
			own += 4 * w.Size()
		}
	})
	return mapped, own
}
