// A player with its waveform. Sound is decoded by the page itself: the content security policy lets no media element load it.

import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { link, request } from "../../api/client";
import { useText } from "../../text";
import { Icon } from "../../ui/icon";
import { Failed, Loading } from "../../ui/notes";

const WIDTH = 600;
const HEIGHT = 96;

export function Audio({ id, name }: { id: string; name: string }) {
  const { t } = useText();
  const { data, error, refetch } = useQuery({
    queryKey: ["sound", id, name],
    staleTime: Infinity,
    queryFn: async ({ signal }) => {
      const bytes = await (await request(link(id, `files/${name}`), { signal })).arrayBuffer();
      // Decoding needs a context; an offline one asks for no sound card and no gesture.
      return new OfflineAudioContext(1, 1, 44_100).decodeAudioData(bytes);
    },
  });
  return (
    <figure className="card">
      <figcaption>
        <h2>{t.sound}</h2>
        <a className="small" href={link(id, `files/${name}`)} download>
          {t.download}
        </a>
      </figcaption>
      {error ? <Failed error={error} retry={() => void refetch()} /> : data ? <Player sound={data} /> : <Loading lines={2} />}
    </figure>
  );
}

function Player({ sound }: { sound: AudioBuffer }) {
  const { t, number } = useText();
  const [at, setAt] = useState(0);
  const [playing, setPlaying] = useState(false);
  const running = useRef<{ context: AudioContext; from: number }>(undefined);
  const { duration } = sound;
  const wave = useMemo(() => outline(sound.getChannelData(0)), [sound]);

  const stop = () => {
    void running.current?.context.close();
    running.current = undefined;
    setPlaying(false);
  };
  useEffect(() => stop, []);

  function play(from: number) {
    stop();
    const context = new AudioContext();
    const source = context.createBufferSource();
    source.buffer = sound;
    source.connect(context.destination);
    const mine = { context, from };
    running.current = mine;
    source.onended = () => {
      if (running.current !== mine) return;
      stop();
      setAt(0);
    };
    source.start(0, from);
    setPlaying(true);
    const tick = () => {
      if (running.current !== mine) return;
      setAt(Math.min(duration, from + context.currentTime));
      requestAnimationFrame(tick);
    };
    tick();
  }
  return (
    <div className="player">
      <button className="primary round" aria-label={playing ? t.pause : t.play} onClick={() => (playing ? stop() : play(at >= duration ? 0 : at))}>
        <Icon name={playing ? "pause" : "play"} filled={!playing} />
      </button>
      <div className="wave">
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          <path d={wave} />
          <line x1={(at / duration) * WIDTH} x2={(at / duration) * WIDTH} y1="0" y2={HEIGHT} />
        </svg>
        <input
          type="range"
          min="0"
          max={duration}
          step="0.01"
          value={at}
          aria-label={t.position}
          onChange={event => {
            const to = event.target.valueAsNumber;
            setAt(to);
            if (playing) play(to);
          }}
        />
      </div>
      <span className="small faint num">
        {number(Number(at.toFixed(1)))} / {number(Number(duration.toFixed(1)))} s
      </span>
    </div>
  );
}

/** The least and the greatest of each column of pixels. */
function outline(samples: Float32Array) {
  const step = Math.max(1, Math.floor(samples.length / WIDTH));
  const y = (value: number) => ((1 - value) * HEIGHT) / 2;
  let path = "";
  for (let x = 0; x * step < samples.length && x < WIDTH; x++) {
    let [low, high] = [1, -1];
    for (let i = x * step; i < Math.min(samples.length, (x + 1) * step); i++) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    path += `M${x} ${(y(high) - 0.5).toFixed(1)}V${(y(low) + 0.5).toFixed(1)}`;
  }
  return path;
}
