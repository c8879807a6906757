// Sets of three: a prompt, the same in other words, and a trap that an encoder often finds more similar than the paraphrase.
// The demo model knows moving shapes only.

const SHAPES = [
  ["a yellow star moves up in a starry night", "a yellow star moving up in the starry night", "a yellow star moves down in a starry night"],
  ["a small red ball bouncing on grass", "a tiny red ball that bounces on the grass", "a big red ball bouncing on grass"],
  ["a big blue ball and a small red box", "a large blue ball and a little red box", "a big red ball and a small blue box"],
  ["a green square and a purple ring on sand", "a green square and a purple ring on the sand", "a purple square and a green ring on sand"],
  ["a red ball floats up into a blue sky", "a red ball that floats up into the blue sky", "a red ball floats down from a blue sky"],
];
const ANYTHING = [
  ["a cat chases a dog through a kitchen", "a cat chasing a dog through the kitchen", "a dog chases a cat through a kitchen"],
  ["slow zoom in on a lighthouse in the fog", "a slow zoom in on a lighthouse in fog", "slow zoom out on a lighthouse in the fog"],
  ["a small child rides a big horse on the beach", "a little child riding a large horse on the beach", "a big child rides a small horse on the beach"],
];

export const STEPS = ["Request a clip", "Say it in other words", "Change a detail that matters"];
export const OUTCOMES = ["It is rendered.", "The same clip, at once.", "So similar, yet refused."];

/** The sets that suit `model`, one of /v1/models; without one, those of the bundled model. */
export const examplesFor = (model) => (model === undefined || model.reprise?.world === "moving shapes" ? SHAPES : ANYTHING);
