# Remakes the main estimate of a study's report from answers.csv: Rscript remake.R, in the folder of an export.
# Takes the package ordinal (and lme4 where nobody chose a tie). Whom the report leaves out is named in people.csv
# (flags); pilots, checks and practice are left out here as there. `clmm` has Laplace's approximation and one sharpness
# for everybody, so its numbers are near the report's, not equal to them.

leave_out <- c("failed_check", "too_fast") # as the report; c() for nobody

answers <- read.csv("answers.csv", fileEncoding = "UTF-8-BOM")
people <- read.csv("people.csv", fileEncoding = "UTF-8-BOM")
flagged <- vapply(strsplit(as.character(people$flags), " "), function(one) any(one %in% leave_out), logical(1))
main <- answers$task == "pair" & !(answers$check %in% c("instructed", "gold", "repeated"))
if (!all(as.logical(people$pilot))) main <- main & !(answers$person %in% people$person[as.logical(people$pilot)])
pairs <- answers[main & !(answers$person %in% people$person[flagged]), ]

ends <- range(c(pairs$left, pairs$right))
middle <- mean(ends)
half <- diff(ends) / 2
left <- (pairs$left - middle) / half
right <- (pairs$right - middle) / half
towards <- ifelse(pairs$choice == "right", 1, ifelse(pairs$choice == "left", -1, 0))
degree <- ifelse(is.na(pairs$degree), 0, pairs$degree)
graded <- all(sign(degree) == towards) && any(towards != 0)
data <- data.frame(
  answer = if (graded) degree else towards, linear = right - left, square = right^2 - left^2,
  person = factor(pairs$person)
)

if (!graded && !any(towards == 0)) {
  fit <- lme4::glmer((answer + 1) / 2 ~ linear + square + (0 + linear | person), data, binomial, nAGQ = 11)
  coefficients <- lme4::fixef(fit)[c("linear", "square")]
  covariance <- as.matrix(vcov(fit))[c("linear", "square"), c("linear", "square")]
  deviation <- attr(lme4::VarCorr(fit)$person, "stddev")
} else {
  data$answer <- ordered(data$answer)
  fit <- ordinal::clmm(answer ~ linear + square + (0 + linear | person), data, threshold = "symmetric")
  coefficients <- fit$beta[c("linear", "square")]
  covariance <- vcov(fit)[c("linear", "square"), c("linear", "square")]
  deviation <- attr(ordinal::VarCorr(fit)$person, "stddev")
}
top <- -coefficients[1] / (2 * coefficients[2])
slope <- c(-1 / (2 * coefficients[2]), coefficients[1] / (2 * coefficients[2]^2))
error <- half * sqrt(drop(t(slope) %*% covariance %*% slope))
top <- middle + half * top
wide <- qt(0.975, nlevels(data$person) - 1) * error
cat(sprintf("people: %d, pairs: %d\n", nlevels(data$person), nrow(data)))
cat(sprintf("liked best: %.3f (95 %% interval %.3f to %.3f)\n", top, top - wide, top + wide))
cat(sprintf("standard deviation of people's own: %.3f\n", half * deviation / (2 * abs(coefficients[2]))))
