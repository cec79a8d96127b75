package cpu

import "encoding/binary"

// vendor is CPUID's leaf 0.
func vendor() (b, d, c uint32)

// isAMD says whether AMD made the processor.
func isAMD() bool {
	b, d, c := vendor()
	name := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, b), d), c)
	return string(name) == "AuthenticAMD"
}
