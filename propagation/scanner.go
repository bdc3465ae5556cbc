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

// end checks that nothing is left.
func (in *scanner) end() {
	in.failed = in.failed || in.rest != ""
}

// take returns the next n bytes.
func (in *scanner) take(n int) string {
	if in.failed || len(in.rest) < n {
		in.failed = true
		return ""
	}
	taken := in.rest[:n]
	in.rest = in.rest[n:]
	return taken
}

// hex reads 2*len(dst) lower-case hex digits into dst. It takes eight at a time where it can:
// digits are most of what is read of a traceparent (BenchmarkParse).
func (in *scanner) hex(dst []byte) {
	digits := in.take(2 * len(dst))
	for ; len(dst) >= 4 && len(digits) >= 8; dst, digits = dst[4:], digits[8:] {
		in.failed = in.failed || !decode8(dst, digits)
	}
	for ; len(dst) > 0 && len(digits) >= 2; dst, digits = dst[1:], digits[2:] {
		hi, lo := lowerNibble[digits[0]], lowerNibble[digits[1]]
		in.failed = in.failed || hi|lo > 0xf
		dst[0] = hi<<4 | lo
	}
}

// hexAnyCase reads 2*len(dst) hex digits of either case into dst.
func (in *scanner) hexAnyCase(dst []byte) {
	before := *in
	if in.hex(dst); !in.failed {
		return
	}
	*in = before
	digits := in.take(2 * len(dst))
	for ; len(dst) > 0 && len(digits) >= 2; dst, digits = dst[1:], digits[2:] {
		hi, lo := nibble[digits[0]], nibble[digits[1]]
		in.failed = in.failed || hi|lo > 0xf
		dst[0] = hi<<4 | lo
	}
}

// shortHex reads all digits of either case up to the next byte that is none: at least one, and at
// most 2*len(dst), as a number whose leading zeroes may have been left out.
func (in *scanner) shortHex(dst []byte) {
	n := 0
	for n < len(in.rest) && n <= 2*len(dst) && nibble[in.rest[n]] <= 0xf {
		n++
	}
	if n == 0 || n > 2*len(dst) {
		in.failed = true
	}
	digits := in.take(n)
	for at := len(dst) - 1; digits != "" && !in.failed; at-- {
		last := len(digits) - 1
		dst[at] = nibble[digits[last]]
		if last > 0 {
			last--
			dst[at] |= nibble[digits[last]] << 4
		}
		digits = digits[:last]
	}
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

// decode8 decodes the first eight bytes of digits, lower-case hex, into the first four of dst. It
// does to eight bytes in one word what lowerNibble does to one.
func decode8(dst []byte, digits string) (valid bool) {
	const (
		each = 0x0101010101010101
		tops = 0x80 * each
	)
	_, _ = dst[3], digits[7]
	x := uint64(digits[0]) | uint64(digits[1])<<8 | uint64(digits[2])<<16 | uint64(digits[3])<<24 |
		uint64(digits[4])<<32 | uint64(digits[5])<<40 | uint64(digits[6])<<48 | uint64(digits[7])<<56
	// A byte's top bit says whether it is at least '0' and not above '9', and likewise for letters.
	// A byte with the top bit set spoils its neighbour by a carry, but is no digit itself either.
	number := (x + (0x80-'0')*each) &^ (x + (0x80-'9'-1)*each)
	letter := (x + (0x80-'a')*each) &^ (x + (0x80-'f'-1)*each)
	valid = (number|letter)&^x&tops == tops
	x = x&(0xf*each) + letter&tops>>7*9 // the value of each digit
	x = x<<4 | x>>8                     // and of each pair, in every other byte
	dst[0], dst[1], dst[2], dst[3] = byte(x), byte(x>>16), byte(x>>32), byte(x>>48)
	return valid
}

const hexDigits = "0123456789abcdef"

// appendHex appends src as lower-case hex digits.
func appendHex(dst, src []byte) []byte {
	for _, b := range src {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&0xf])
	}
	return dst
}
