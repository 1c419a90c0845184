// Benchmarks of libnet/rudp beside other transports, in a module of their own
// so that the product's go.mod does not name what only they need.
module p2plive/bench

go 1.26.0

replace p2plive => ..

require (
	github.com/quic-go/quic-go v0.60.0
	github.com/xtaci/kcp-go/v5 v5.6.72
	golang.org/x/net v0.62.0
	golang.org/x/sync v0.22.0
	golang.org/x/sys v0.49.0
	p2plive v0.0.0
)

require (
	github.com/flynn/noise v1.1.0 // indirect
	github.com/klauspost/cpuid/v2 v2.2.6 // indirect
	github.com/klauspost/reedsolomon v1.12.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/tjfoc/gmsm v1.4.1 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/time v0.14.0 // indirect
)
