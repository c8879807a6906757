"""Prompts written by hand, with what each of them asks for. None was seen in training, and words were chosen freely.

A line is background | things | prompt, and a thing is its size (medium where the prompt says nothing), colour, shape, motion.
"""
# ruff: noqa: E501  A line is a prompt.

from __future__ import annotations

from generator.demo.scenes import Background, Colour, Motion, Scene, Shape, Size, Thing

_MOTIONS = {motion.value.split()[0]: motion for motion in Motion if motion is not Motion.CIRCLE} | {"orbit": Motion.CIRCLE}

_ONE = """
black | medium red circle still | A red ball.
black | medium blue square right | a blue box sliding to the right
sunset | small pink star up | show me a tiny pink star that floats upward at dusk
grass | large green diamond spin | Could I get a big green diamond spinning round and round on the lawn?
blue sky | medium yellow triangle up | a yellow triangle rising into a clear blue sky
sand | small brown square bounce | a little brown box is jumping up and down on the beach
starry night | large white ring grow | in outer space, a huge white hoop keeps getting larger
white | medium purple circle left | Purple ball rolling leftwards, white background
black | medium orange star shrink | an orange star slowly getting smaller and smaller
starry night | small cyan circle orbit | tiny cyan dot going around in a circle under the stars
sunset | medium blue diamond down | At sunset a blue diamond sinks towards the ground.
grass | medium red ring orbit | I'd love to see a red donut running in circles on the grass
white | large brown triangle still | one big brown triangle, not moving at all, on a white page
blue sky | small white star right | a small white star flies from left to right across the sky
sand | medium purple ring left | the purple ring glides over the sand to the left
black | large yellow star bounce | a giant yellow star bouncing
starry night | medium green triangle shrink | Green pyramid shrinking away in the night sky.
grass | large white circle right | a massive white ball travels right over a meadow
sunset | medium cyan square spin | cyan cube rotating in place while the sun sets
white | small orange diamond up | little orange rhombus moving upward on white paper
black | medium pink circle down | make a pink ball fall
blue sky | large red square grow | Please make a big red block swell up in front of a blue sky
sand | medium cyan star still | a turquoise star resting on the beach
starry night | medium yellow circle bounce | a golden ball hops among the stars
grass | small purple triangle left | wee purple triangle heading left, grass
white | medium green star orbit | A green star circles around against a plain white background!
sunset | large white diamond left | at twilight an enormous white diamond drifts left
black | small blue ring up | tiny blue hoop going up
sand | large pink square shrink | A big pink square on the sand that gets smaller
blue sky | medium brown circle down | a brown ball drops out of the blue sky
starry night | large orange triangle spin | large orange triangle twirling in space
grass | medium yellow square down | Watch a yellow box move down on green grass
"""

_TWO = """
black | medium red circle right + medium blue square still | a red ball moves right while a blue box stays still
white | medium green triangle up + medium purple star down | a green triangle goes up and a purple star goes down on a white background
grass | small yellow circle bounce + large red square still | on the lawn a tiny yellow ball bounces next to a big red box
starry night | medium white star spin + small cyan ring left | in space, a white star spins while a small cyan ring moves left
sunset | medium pink diamond grow + medium blue circle shrink | at dusk a pink diamond grows and a blue ball shrinks
sand | medium orange square left + medium green star bounce | An orange cube slides left and a green star hops on the beach.
blue sky | small red star up + medium white circle right | a little red star rises while a white ball drifts to the right in the sky
black | medium cyan triangle spin + medium brown ring spin | a cyan triangle and a brown ring, both spinning
white | large blue ring still + small orange star orbit | a large blue hoop stays put and a tiny orange star runs in circles, on white
grass | medium purple circle down + medium white square up | purple ball falling, white box rising, on the grass
starry night | small yellow diamond right + medium red triangle still | Show me a small yellow diamond heading right and a red triangle that does not move, at night
sunset | medium green ring left + medium yellow star down | a green donut travels left and a yellow star sinks at sunset
sand | small blue square spin + medium pink ring bounce | on the sand a mini blue block rotates and a pink ring jumps up and down
blue sky | medium brown diamond shrink + medium orange circle up | a brown diamond gets smaller as an orange ball floats up against a blue sky
black | small white circle orbit + medium yellow circle still | a tiny white ball orbits a yellow ball
white | medium red square right + medium red star left | a red square moving right and a red star moving left, white background
grass | small cyan circle up + small orange triangle up | a small cyan ball and a small orange triangle rise on a green lawn
starry night | medium pink square grow + small green diamond still | in the starry night a pink cube gets bigger beside a tiny green diamond
sunset | large white triangle still + small brown circle bounce | a little brown ball bounces beside a big white triangle while the sun goes down
sand | medium purple star right + small red ring down | Purple star going right, small red hoop dropping, desert
blue sky | medium yellow square left + medium blue diamond spin | a yellow box glides left and a blue diamond twirls in the blue sky
black | medium green circle grow + medium white ring shrink | a green circle gets larger while a white ring gets smaller
white | small cyan star bounce + medium brown square still | tiny cyan star jumping up and down next to a brown box on white paper
grass | medium orange ring orbit + small blue triangle still | an orange ring goes around in circles and a small blue triangle stands still in a field
starry night | medium red diamond down + medium yellow ring up | a red diamond falls and a yellow ring ascends under the stars
sunset | small pink triangle left + medium cyan circle still | Generate a small pink triangle that moves left and a cyan ball that stays where it is at dusk
sand | medium white star spin + medium green square right | a white star turns on the spot, and a green box is moving to the right across the sand
blue sky | small purple diamond bounce + small yellow triangle down | small purple diamond hopping and small yellow triangle descending, blue sky
black | large blue star still + small orange circle up | there is a big blue star and a tiny orange ball that goes up
white | medium pink ring right + small green circle left | a pink donut moves right but a little green ball moves left on white
grass | medium brown star shrink + medium red circle bounce | in the meadow a brown star shrinks while a red ball bounces
starry night | small white square left + medium purple triangle grow | a small white square drifts left and a purple triangle swells in space
"""


def _thing(words: str) -> Thing:
    size, colour, shape, motion = words.split()
    return Thing(Shape(shape), Colour(colour), _MOTIONS[motion], Size(size))


def _read(table: str) -> list[tuple[str, Scene]]:
    rows = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return [
        (prompt, Scene(tuple(_thing(words.strip()) for words in things.split("+")), Background(background)))
        for background, things, prompt in rows
    ]


ONE_THING = _read(_ONE)
TWO_THINGS = _read(_TWO)
