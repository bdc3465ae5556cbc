package propagation

// An Error says why a header was not parsed. Errors are constants: compare them with ==. None
// holds any part of the header, which is a stranger's text.
type Error string

func (e Error) Error() string { return string(e) }

// What Parse functions return.
const (
	ErrSyntax   Error = "propagation: header is not of its format's grammar"
	ErrZeroID   Error = "propagation: trace ID or span ID is zero"
	ErrTooLong  Error = "propagation: header is longer than its format allows"
	ErrTooMany  Error = "propagation: header has more members than its format allows"
	ErrMissing  Error = "propagation: header has no trace ID or no span ID"
	ErrSampling Error = "propagation: sampling state is none of those that its format has"
)
