// SPDX-License-Identifier: Apache-2.0
package main

import (
	"encoding/binary"
	"net"
)

// Of HTTP/2, RFC 9113.
const (
	prefaceBytes = 24
	headerBytes  = 9
	typePing     = 6
	typeGoAway   = 7
	flagAck      = 1
	// The last stream and the error code, which stand before a GOAWAY's words.
	goAwayBytes = 8
)

// frames looks at one direction of a connection, in whatever pieces it comes.
type frames struct {
	isClients bool
	// Bytes that are passed over: the client's preface.
	skip int
	rest []byte
}

func (f *frames) see(piece []byte) {
	skipped := f.skip
	if skipped > len(piece) {
		skipped = len(piece)
	}
	f.skip -= skipped
	f.rest = append(f.rest, piece[skipped:]...)
	for len(f.rest) >= headerBytes {
		length := int(binary.BigEndian.Uint32(append([]byte{0}, f.rest[:3]...)))
		if len(f.rest) < headerBytes+length {
			return
		}
		f.report(f.rest[3], f.rest[4], f.rest[headerBytes:headerBytes+length])
		f.rest = f.rest[headerBytes+length:]
	}
}

func (f *frames) report(kind, flags byte, payload []byte) {
	switch {
	// The server pings, too, to measure the way.
	case f.isClients && kind == typePing && flags&flagAck == 0:
		say(event{Ping: true})
	case !f.isClients && kind == typeGoAway && len(payload) > goAwayBytes:
		say(event{GoAway: string(payload[goAwayBytes:])})
	}
}

// A watched listener says what the frames of its connections are.
type watched struct{ net.Listener }

func (w watched) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: conn, in: frames{isClients: true, skip: prefaceBytes}}, nil
}

type watchedConn struct {
	net.Conn
	in, out frames
}

func (c *watchedConn) Read(buffer []byte) (int, error) {
	n, err := c.Conn.Read(buffer)
	c.in.see(buffer[:n])
	return n, err
}

func (c *watchedConn) Write(bytes []byte) (int, error) {
	c.out.see(bytes)
	return c.Conn.Write(bytes)
}
