// Sets of three: a prompt, the same in other words, and a near-trap. The demo model knows moving shapes only.

const SHAPES = [
  ["a red ball bouncing on grass", "A crimson ball is bouncing on the grass", "a blue ball bouncing on grass"],
  ["a yellow star rising on a starry night", "a yellow star that rises on a starry night", "a yellow star falling on a starry night"],
  ["a green square and a purple ring on sand", "one green square and a purple ring on the sand", "a purple square and a green ring on sand"],
  ["a tiny pink diamond spinning at sunset", "a small pink diamond, spinning at sunset", "a huge pink diamond spinning at sunset"],
  ["a white donut sliding left across a blue sky", "A white donut slides left across a blue sky", "a white donut sliding right across a blue sky"],
];
const ANYTHING = [
  ["a red kite over a windy beach at noon", "a scarlet kite over a windy beach at noon", "a red kite over a windy beach at night"],
  ["slow zoom in on a lighthouse in the fog", "a slow zoom in on a lighthouse in fog", "slow zoom out from a lighthouse in the fog"],
  ["two dogs chase a yellow ball in the snow", "two dogs chasing a yellow ball in the snow", "three dogs chase a yellow ball in the snow"],
  ["a woman in a blue coat hands a man a letter", "a woman in a blue coat hands a letter to a man", "a man in a blue coat hands a woman a letter"],
];

export const STEPS = ["Ask for a clip", "Say it in other words", "Change what matters"];
export const OUTCOMES = ["It is rendered.", "Same clip, at once.", "So close, yet refused."];

/** Which sets suit `model`, one of /v1/models; without one, those of the bundled model. */
export const examplesFor = (model) => (model === undefined || model.reprise?.world === "moving shapes" ? SHAPES : ANYTHING);
