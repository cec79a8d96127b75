// Package checkpoint reads and writes files of named tensors: the weights of a model, of an adapter, of an optimizer.
// File formats belong here; what a tensor means belongs to the packages that read it.
//
//	c, err := checkpoint.Open("SmolLM2-135M")
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	w, ok := c.Get("model.embed_tokens.weight")
//	x, err := w.Float32s() // a copy, whatever the element type
//
// [Open] takes a file or a Hugging Face folder, and hides how it is stored: safetensors or a state dict of torch.save
// (pytorch_model.bin), one file or shards with an index. [OpenReader] takes a file in memory or in an archive. Only
// headers are read. The data of a [Tensor] is a view of the memory-mapped file (or is read into memory where the system
// cannot map), so a model larger than memory opens at once.
//
// [Write] makes a safetensors file of tensors, which [F32], [BF16FromFloat32] and the like make. It writes the same
// bytes as the Python library, but for the order of the metadata. [AtomicFile] puts any file on disk in such a way that
// a reader sees the old one or the new one, never a part. [Map] maps any file into memory. GGUF files are package gguf's.
//
// A file is not trusted. Its header is checked in full before any data are used. What the format forbids (overlaps,
// holes, trailing bytes, duplicate names, sizes that do not fit) is an error that names the tensor. A PyTorch file is a
// pickle, which is a program in a small language: this package knows the few functions that make tensors, runs no
// others, and refuses a file that names one. Its tensors may share data; transposed ones are copied. The error of a
// missing file is fs.ErrNotExist.
package checkpoint
