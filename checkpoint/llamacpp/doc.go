// Package llamacpp sees a GGUF file as a Hugging Face folder, and back: llama.cpp's names of architectures, settings and
// tensors, its order of rows, its tokenizers. What belongs here is what llama.cpp means by a file; the format itself
// belongs to package checkpoint/gguf.
//
//	m, err := llamacpp.Open("SmolLM2-135M-Q4_K_M.gguf")
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	fmt.Println(string(m.Config()))                           // config.json
//	w, ok := m.Get("model.layers.0.self_attn.q_proj.weight")  // by Hugging Face's name
//	src, err := m.Source(w.Name)                              // its values, unpacked a block at a time
//
// Rows of q_proj and k_proj that llama.cpp keeps in another order (Llama's, for its rotary positions) are read and written
// in Hugging Face's. An architecture, a tokenizer or a kind of positions that is not known is ErrUnsupported; no setting
// is guessed. Metadata and Entry make the parts of a file that gguf.Write takes.
package llamacpp
