// Package gguf reads and writes GGUF files, in which llama.cpp and its kin keep models: metadata, and named tensors whose
// values share blocks of some bits each. What a tensor means belongs to the packages that read it.
//
//	f, err := gguf.Open("SmolLM2-135M-Q4_K_M.gguf")
//	if err != nil {
//		return err
//	}
//	defer f.Close()
//	m := f.Metadata()
//	arch, err := m.Architecture()                  // "llama"
//	layers, err := m.Int(arch + ".block_count")    // 30
//	words, err := m.Strings("tokenizer.ggml.tokens")
//	w, ok := f.Get("blk.0.ffn_down.weight")
//	src, err := w.Source()                         // a tensor.Source: to be multiplied as it is stored
//
// [Open] takes a file, or any one of the files of a split model, of version 2 or 3. Only headers are read. The data of a
// [Tensor] is a window on the memory-mapped file. [Tensor.Source] is the tensor as a matrix that is unpacked a panel at a
// time, so a model of 4 bits is worked with in little more memory than its file has. [Tensor.Float32s] copies all values.
//
// Shapes are PyTorch's, rows before columns; GGML's tools print them the other way round. A [Type] is how values are
// stored, by GGML's names. Values unpack to the same bits as in Python's gguf. Types whose values cannot be read
// (IQ2_XS, TQ1_0 …) have known sizes, so a file with such a tensor opens; its values are [ErrUnsupported].
//
// [Write] makes a file of metadata and entries, which are made when it is their turn. [Tensor.Entry] copies a tensor as
// it is, [Quantized] quantizes a matrix. A [Mixture] such as Q4_K_M says which tensor of a model gets which type;
// [Mixture.Convert] does it to a file. Types and bytes are those that llama.cpp gives without an importance matrix.
//
// A file is not trusted. All of its header is checked before any data are used, and no memory is taken for what a count
// or a length promises and the file does not have. What is wrong (overlaps, names that are there twice, offsets beyond
// the end, shapes that blocks do not divide) is an error of one line that names the tensor or the key. The error of a
// missing file is fs.ErrNotExist.
package gguf

//go:generate sh -c "cd gen && go run . -pkg gguf -out ../kernels_amd64.s -stubs ../kernels_amd64.go"
