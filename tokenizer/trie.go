package tokenizer

// trie finds the keys that a text begins with, byte by byte. Nodes are numbers, and 0 is the root. All edges are in one
// hash table.
type trie struct {
	root  [256]int32 // the children of node 0, or 0
	edges *table     // node<<8 | byte → child
	value []int32    // of each node, or -1
}

// newTrie makes a trie for about n bytes of keys.
func newTrie(n int) *trie {
	return &trie{edges: newTable(n), value: []int32{-1}}
}

// put sets the value of key to v, which must not be negative.
func (t *trie) put(key string, v int32) {
	node := int32(0)
	for i := 0; i < len(key); i++ {
		next := t.next(node, key[i])
		if next < 0 {
			next = int32(len(t.value))
			t.value = append(t.value, -1)
			if node == 0 {
				t.root[key[i]] = next
			} else {
				t.edges.put(uint64(node)<<8|uint64(key[i]), uint64(next))
			}
		}
		node = next
	}
	t.value[node] = v
}

// next returns the child of node for byte b, or -1.
func (t *trie) next(node int32, b byte) int32 {
	if node == 0 {
		if c := t.root[b]; c > 0 {
			return c
		}
		return -1
	}
	if c, ok := t.edges.get(uint64(node)<<8 | uint64(b)); ok {
		return int32(c)
	}
	return -1
}

// walk returns the node that key leads to from the root, or -1.
func (t *trie) walk(key string) int32 {
	node := int32(0)
	for i := 0; i < len(key) && node >= 0; i++ {
		node = t.next(node, key[i])
	}
	return node
}

// longest returns the value of the longest key that s begins with, or -1, and the key's length. It walks from node.
func (t *trie) longest(node int32, s string) (v int32, n int) {
	v = -1
	for i := 0; i < len(s); i++ {
		if node = t.next(node, s[i]); node < 0 {
			break
		}
		if t.value[node] >= 0 {
			v, n = t.value[node], i+1
		}
	}
	return v, n
}
