// Package golden gives tests the values that the reference implementations computed (PyTorch, transformers, PEFT: the
// scripts that made them are in scripts/golden), and compares with a stated tolerance.
//
// Golden files lie by kind (models, train, peft …) in testdata/golden, and in the folder that SPAGOTUNE_GOLDEN names, if
// it is set: the same layout, with other models, sizes and seeds. A test that loops over the cases holds for both:
//
//	for _, c := range golden.Cases(t, "models") {
//		t.Run(c.Name, func(t *testing.T) {
//			io := golden.Open(t, c.Path("io.safetensors"))
//			...
//			golden.Close(t, "logits", got, io.Float32(t, "logits"), 1e-5, true)
//		})
//	}
package golden
