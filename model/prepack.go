package model

// Prepack keeps the frozen matrices of linear layers as products want them, too, which spares each forward pass the packing. It pays
// for passes of some 10 to 500 tokens, such as an encoder's of a single text. It takes memory of 4 bytes for each value of these
// matrices; with bf16, for passes with BF16, 2 where the processor multiplies bfloat16. No result changes. Matrices that trained, or are
// given other values later, are not packed.
func (m *Model) Prepack(bf16 bool) {
	m.walk(func(_ string, l *Linear) { l.Weight.prepack(bf16) }, nil)
}
