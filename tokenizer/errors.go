package tokenizer

import "errors"

// The errors that a caller can tell apart with errors.Is. All others say that a file is damaged or contradicts itself.
var (
	// ErrNoTokenizer: a folder holds none of the files that Load reads.
	ErrNoTokenizer = errors.New("no tokenizer there")
	// ErrUnsupported: a file asks for a part, a setting or a class that this package does not have. The file itself may
	// be good: the message says what is known instead.
	ErrUnsupported = errors.New("not supported")
)
