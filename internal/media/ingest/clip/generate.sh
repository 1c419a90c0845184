#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes clip.mp4, the built-in test clip: 16 s of 640x360 at 30 frames a
# second, H.264 without B-frames (a key frame each second) and AAC stereo.
# Needs ffmpeg with libx264 and the DejaVu fonts. Run it in this directory.
#
# 16 s are exactly 480 frames of video and 750 frames of audio (1024 samples
# at 48 kHz), so the clip loops without a seam in either. For the ear's sake
# the sound is periodic in 16 s too, and its frames are cut out of the middle
# of a longer piece: the decoder meets no encoder start at the loop's point.
#
# Rows 0 to 15 carry the frame's number as black and white blocks, read back by
# ReadFrameNumber in codestrip.go: 32 pixels of white, 24 blocks of 24 pixels
# (16 bits of frame number, most significant first, then 8 bits of checksum:
# high byte xor low byte xor 0xA5), 32 pixels of black.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
font=${FONT:-/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf}
bold=${FONT_BOLD:-/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf}
mono=${FONT_MONO:-/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf}
log='-hide_banner -loglevel error -y'

# Sound: a slow chord, wider in stereo than it is loud, and a soft bell at each full second.
left='0.09*sin(2*PI*220*t)*(0.6+0.4*cos(2*PI*t/8))+0.06*sin(2*PI*330*t)*(0.6+0.4*sin(2*PI*t/4))'
right='0.09*sin(2*PI*277.1875*t)*(0.6+0.4*sin(2*PI*t/8))+0.06*sin(2*PI*440*t)*(0.6+0.4*cos(2*PI*t/4))'
bell='0.22*sin(2*PI*880*t)*exp(-14*mod(t,1))'
ffmpeg $log -f lavfi -i "aevalsrc=exprs='$left+$bell|$right+$bell':s=48000:d=48" \
	-c:a aac -b:a 64k "$work/long.m4a"
# Packet 0 is the encoder's priming: packet 751 starts at 16 s exactly.
ffmpeg $log -i "$work/long.m4a" -c copy \
	-bsf:a "noise=drop='lt(n,751)+gte(n,1501)',setts=pts=N*1024:dts=N*1024" \
	-use_editlist 0 "$work/sound.mp4"

# Still parts of the picture, drawn once.
ffmpeg $log -f lavfi -i "nullsrc=s=640x360,format=rgb24,geq=r='14+10*Y/H':g='22+26*Y/H':b='44+52*Y/H'" \
	-vf "drawbox=x=0:y=0:w=640:h=16:c=black:t=fill,
	drawtext=fontfile=$bold:text='P2P-Live':x=36:y=44:fontsize=40:fontcolor=white,
	drawtext=fontfile=$font:text='built-in test clip, 640x360, 30 frames a second':x=38:y=94:fontsize=15:fontcolor=0x9fb4d8,
	drawbox=x=36:y=284:w=71:h=28:c=0xc8c8c8:t=fill,drawbox=x=107:y=284:w=71:h=28:c=0xc8c814:t=fill,
	drawbox=x=178:y=284:w=71:h=28:c=0x14c8c8:t=fill,drawbox=x=249:y=284:w=71:h=28:c=0x14c814:t=fill,
	drawbox=x=320:y=284:w=71:h=28:c=0xc814c8:t=fill,drawbox=x=391:y=284:w=71:h=28:c=0xc81414:t=fill,
	drawbox=x=462:y=284:w=71:h=28:c=0x1414c8:t=fill,drawbox=x=533:y=284:w=71:h=28:c=0x080808:t=fill,
	drawbox=x=36:y=330:w=568:h=6:c=0x26395c:t=fill" -frames:v 1 "$work/still.png"
ffmpeg $log -f lavfi -i "nullsrc=s=44x44,format=rgba,geq=r=255:g=176:b=40:a='255*clip(21-hypot(X-21.5,Y-21.5),0,1)'" \
	-frames:v 1 "$work/ball.png"
ffmpeg $log -f lavfi -i "nullsrc=s=18x18,format=rgba,geq=r=255:g=72:b=72:a='255*clip(8.5-hypot(X-8.5,Y-8.5),0,1)'" \
	-frames:v 1 "$work/lamp.png"

# A dial whose hand goes round in 4 s.
dial="st(0,X-71.5);st(1,Y-71.5);st(2,sin(2*PI*N/120));st(3,-cos(2*PI*N/120));
st(4,ld(0)*ld(2)+ld(1)*ld(3));st(5,abs(ld(0)*ld(3)-ld(1)*ld(2)));
st(6,if(between(ld(4),0,56),clip(3.5-ld(5),0,1),0));
max(max(ld(6),clip(6-hypot(ld(0),ld(1)),0,1)),clip(3-abs(hypot(ld(0),ld(1))-66),0,1))"
strip="st(0,floor((X-32)/24));
if(lt(X,32),255,if(gte(X,608),0,
if(lt(ld(0),16),255*mod(floor(N/pow(2,15-ld(0))),2),
st(1,ld(0)-16);255*mod(floor(N/pow(2,15-ld(1)))+floor(N/pow(2,7-ld(1)))+floor(165/pow(2,7-ld(1))),2))))"

ffmpeg $log -loop 1 -framerate 30 -i "$work/still.png" \
	-loop 1 -framerate 30 -i "$work/ball.png" -loop 1 -framerate 30 -i "$work/lamp.png" \
	-f lavfi -i "nullsrc=s=144x144:r=30,format=rgba,geq=r=90:g=200:b=255:a='255*($dial)'" \
	-f lavfi -i "nullsrc=s=640x16:r=30,format=gray,geq=lum='$strip'" \
	-f lavfi -i "color=c=0x5ac8ff:s=568x6:r=30" \
	-filter_complex "
	[0][1]overlay=x='300+250*sin(2*PI*t/8)-22':y='262-44-150*abs(sin(PI*t/2))'[a];
	[a][2]overlay=x=300:y=176:enable='lt(mod(t,1),0.1)'[b];
	[b][3]overlay=x=448:y=44[c];
	[5]null[bar];[c][bar]overlay=x='36-568+568*t/16':y=330,drawbox=x=0:y=330:w=36:h=6:c=0x172845:t=fill[d];
	[d]drawtext=fontfile=$mono:text='%{eif\\:t\\:d\\:2}.%{eif\\:mod(t*10,10)\\:d\\:1}':x=36:y=150:fontsize=76:fontcolor=white[e];
	[e]drawtext=fontfile=$font:text='frame %{eif\\:n\\:d\\:3}':x=40:y=236:fontsize=18:fontcolor=0x9fb4d8[f];
	[f][4]overlay=x=0:y=0,format=yuv420p[v]" \
	-map '[v]' -frames:v 480 -r 30 \
	-c:v libx264 -profile:v main -preset veryslow -tune animation -bf 0 -refs 2 -crf 25 \
	-x264-params 'keyint=30:min-keyint=30:scenecut=0:bframes=0:vbv-maxrate=380:vbv-bufsize=190' \
	-bsf:v 'filter_units=remove_types=6' -video_track_timescale 90000 \
	-flags:v +bitexact "$work/picture.mp4"
ffmpeg $log -i "$work/picture.mp4" -i "$work/sound.mp4" -map 0:v -map 1:a -c copy \
	-use_editlist 0 -movflags +faststart -map_metadata -1 -fflags +bitexact clip.mp4
ls -l clip.mp4
