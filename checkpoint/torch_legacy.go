package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// legacyMagic is the pickle that a file of PyTorch before 1.6 begins with: the number 0x1950a86a20f9469cfc6c.
var legacyMagic = []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")

// legacyProtocol is the only version of the format that there has been.
const legacyProtocol = 1001

// readTorchLegacy reads the format before PyTorch 1.6. It is five pickles (magic number, version, system, state dict,
// keys of the storages), and then the storages in the order of the keys, each after its number of elements in 8 bytes.
// It returns the state dict, and the data of the storages by key.
func readTorchLegacy(raw []byte) (any, map[string][]byte, error) {
	code := raw[:min(len(raw), maxPickle)]
	storages := storageSet{}
	p := &pickleReader{raw: code, at: len(legacyMagic), global: torchGlobals(len(code)), persistent: func(id any) (any, error) {
		if t, ok := id.(tuple); ok && len(t) > 5 && t[5] != nil {
			return nil, errors.New("a storage that is a view of another, from PyTorch before 0.4; load and save the file with a newer one")
		}
		return storages.find(id)
	}}
	if err := checkLegacyHead(p); err != nil {
		return nil, nil, err
	}
	v, err := p.load()
	if err != nil {
		return nil, nil, err
	}
	k, err := p.load()
	if err != nil {
		return nil, nil, err
	}
	keys, ok := k.(*list)
	if !ok {
		return nil, nil, fmt.Errorf("%s where the keys of the storages are expected", kind(k))
	}
	data, err := legacyStorages(raw[p.at:], keys.items, storages)
	return v, data, err
}

// checkLegacyHead reads the version and the system.
func checkLegacyHead(p *pickleReader) error {
	version, err := p.load()
	if err != nil {
		return err
	}
	if version != any(int64(legacyProtocol)) {
		return fmt.Errorf("%s where version %d is expected", kind(version), legacyProtocol)
	}
	system, err := p.load()
	if err != nil {
		return err
	}
	d, ok := system.(*dict)
	if !ok {
		return fmt.Errorf("%s where a dict about the system is expected", kind(system))
	}
	if little, ok := d.get("little_endian"); ok && little != any(true) {
		return errors.New("byte order is not little-endian")
	}
	return nil
}

// legacyStorages finds the storages in rest.
func legacyStorages(rest []byte, keys []any, storages storageSet) (map[string][]byte, error) {
	data := make(map[string][]byte, len(storages))
	for _, k := range keys {
		key, ok := k.(string)
		s := storages[key]
		if !ok || s == nil {
			return nil, fmt.Errorf("%s is the key of no storage of the state dict", kind(k))
		}
		if len(rest) < 8 {
			return nil, fmt.Errorf("storage %s: the file is cut off", quoted(key))
		}
		stated := binary.LittleEndian.Uint64(rest)
		if size := uint64(s.dtype.Size()); stated != s.size/size {
			return nil, fmt.Errorf("storage %s: the pickle states %d elements, the data %d", quoted(key), s.size/size, stated)
		}
		if rest = rest[8:]; s.size > uint64(len(rest)) {
			return nil, fmt.Errorf("storage %s: %d bytes are stated, %d follow", quoted(key), s.size, len(rest))
		}
		data[key], rest = rest[:s.size:s.size], rest[s.size:]
	}
	for key := range storages {
		if data[key] == nil {
			return nil, fmt.Errorf("storage %s is missing", quoted(key))
		}
	}
	return data, nil
}
