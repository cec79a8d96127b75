// Package golden gives tests the values that reference implementations (PyTorch, transformers, PEFT) computed, and
// compares with a stated tolerance. Finding, reading and comparing these values belongs here; they were made by the
// scripts in scripts/golden. Where a maker is lost, SOURCE.md in the folder says so.
//
// Golden files are sorted by kind (models, train, peft …). They are in testdata/golden and, if SPAGOTUNE_GOLDEN is set,
// in the folder that it names: that has the same layout, but other models, sizes and seeds. A test that loops over the
// cases runs on both:
//
//	for _, c := range golden.Cases(t, "models") {
//		t.Run(c.Name, func(t *testing.T) {
//			io := golden.Open(t, c.Path("io.safetensors"))
//			...
//			golden.Close(t, "logits", got, io.Float32(t, "logits"), 1e-5, true)
//		})
//	}
package golden
