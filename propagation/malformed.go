package propagation

// knownFormats are all formats of this package, none of whose fields another one has.
var knownFormats = [...]format{
	TraceContext{}, GRPCTraceBin{}, b3Several{}, b3Single{}, Jaeger{}, XRay{}, Datadog{},
}

// removeMalformed removes the fields of the set that are there but say nothing that their format
// understands. Nobody behind us could do more with them, and Linkerd's proxy loses the connection
// over some. What can be understood stays: without a span of ours it is not ours to touch.
func (c *carrier) removeMalformed(set fieldSet) {
	present := c.present() & set
	if present == 0 {
		return
	}
	for _, f := range knownFormats {
		if f.reads()&present == 0 {
			continue
		}
		if got := f.read(*c); got.empty() {
			c.removeAll(f.reads() & traceFields)
		}
	}
}
