// Package checkpoint reads and writes files of named tensors: the weights of a model, of an adapter, of an optimizer.
//
// [Open] takes a file or a Hugging Face folder and hides how it is stored: safetensors or a state dict of torch.save
// (pytorch_model.bin), one file or shards behind an index. Nothing is read but the headers; the data of a [Tensor] is a window on the memory-mapped file (read into memory
// where the system cannot map), so a model larger than memory opens at once:
//
//	c, err := checkpoint.Open("SmolLM2-135M")
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	w, ok := c.Get("model.embed_tokens.weight")
//	x, err := w.Float32s() // a copy, whatever the element type
//
// A file is not trusted: its header is checked in full before any data is touched, and what the format forbids
// (overlaps, holes, trailing bytes, duplicate names, sizes that do not fit) is an error that names the tensor. A
// PyTorch file is a pickle, a program in a small language: ours knows the few functions that make tensors, runs no
// others and refuses a file that names one. Its tensors may share data; transposed ones are copied.
//
// [Write] makes a safetensors file as PyTorch's writer does, byte for byte but for the order of the metadata.
// [AtomicFile] is how it gets to disk: a reader sees the old file or the new one, never a part.
package checkpoint
