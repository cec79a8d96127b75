package tokenizer

import "errors"

// These errors can be told apart with errors.Is. Any other error says that a file is damaged or contradicts itself.
// A file that is missing is fs.ErrNotExist.
var (
	// ErrNoTokenizer says that a folder has none of the files that Load reads.
	ErrNoTokenizer = errors.New("no tokenizer there")
	// ErrUnsupported says that a file asks for a part, a setting or a class that this package does not have. The file may be
	// good; the message says what is known instead.
	ErrUnsupported = errors.New("not supported")
)
