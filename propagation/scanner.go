package propagation

// A scanner reads a header value from the left. Its first mismatch makes it failed, and a
// failed scanner does nothing, so its caller reads like the grammar and checks once.
type scanner struct {
	rest   string
	failed bool
}

// skip reads the byte c.
func (in *scanner) skip(c byte) {
	if in.failed || in.rest == "" || in.rest[0] != c {
		in.failed = true
		return
	}
	in.rest = in.rest[1:]
}

// hex reads 2*len(dst) lower-case hex digits into dst.
func (in *scanner) hex(dst []byte) {
	in.digits(dst, &lowerNibble)
}

// hexAnyCase reads 2*len(dst) hex digits of either case into dst.
func (in *scanner) hexAnyCase(dst []byte) {
	in.digits(dst, &nibble)
}

func (in *scanner) digits(dst []byte, nibble *[256]byte) {
	if in.failed || len(in.rest) < 2*len(dst) {
		in.failed = true
		return
	}
	bad := byte(0)
	for i := range dst {
		hi, lo := nibble[in.rest[2*i]], nibble[in.rest[2*i+1]]
		bad |= hi | lo
		dst[i] = hi<<4 | lo
	}
	in.failed = bad > 0xf // only a byte that is no digit has a nibble above 0xf
	in.rest = in.rest[2*len(dst):]
}

// shortHex reads all digits up to the next byte that is none, at least one and at most
// 2*len(dst), as a number whose leading zeroes were left out.
func (in *scanner) shortHex(dst []byte) {
	n := 0
	for n < len(in.rest) && nibble[in.rest[n]] <= 0xf {
		n++
	}
	if in.failed || n == 0 || n > 2*len(dst) {
		in.failed = true
		return
	}
	for i, at := n-1, len(dst)-1; i >= 0; i, at = i-2, at-1 {
		dst[at] = nibble[in.rest[i]]
		if i > 0 {
			dst[at] |= nibble[in.rest[i-1]] << 4
		}
	}
	in.rest = in.rest[n:]
}

// end checks that nothing is left.
func (in *scanner) end() {
	in.failed = in.failed || in.rest != ""
}

// nibble holds the value of a hex digit, and 0xff for any other byte; lowerNibble takes only
// the digits that the W3C's grammar calls HEXDIGLC.
var nibble, lowerNibble = nibbles("0123456789abcdefABCDEF"), nibbles("0123456789abcdef")

func nibbles(digits string) (table [256]byte) {
	for c := range table {
		table[c] = 0xff
	}
	for i := range len(digits) {
		table[digits[i]] = byte(i)
		if i > 0xf {
			table[digits[i]] = byte(i - 6) // A-F stand behind a-f
		}
	}
	return table
}

const hexDigits = "0123456789abcdef"

// appendHex appends src as lower-case hex digits.
func appendHex(dst, src []byte) []byte {
	for _, b := range src {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&0xf])
	}
	return dst
}
